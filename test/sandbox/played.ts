/** A warden below which a program stands that plays Node's part as a test wants. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { nativeProgram } from "../../src/sandbox/place.ts";
import { childrenOf, ownWardens, type WardenOnHost } from "../support/host.ts";

/** The service's uid must be able to read it. */
export class Stage {
  readonly #place = mkdtempSync(join(tmpdir(), "sandrun-succession-"));
  readonly #program = join(this.#place, "fakeNode");

  constructor() {
    copyFileSync(fileURLToPath(new URL("fakeNode.py", import.meta.url)), this.#program);
    for (const path of [this.#place, this.#program]) chmodSync(path, 0o755);
  }

  /** What is played is over behind the test, however that ends. */
  play(context: TestContext, part: string): Played {
    const played = play(this.#place, this.#program, part);
    context.after(played.stop);
    return played;
  }

  close(): void {
    rmSync(this.#place, { recursive: true });
  }
}

export interface Played {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** All that was told so far, one line each. */
  readonly told: string[];
  /** The next line, heard or to come, that matches; fails when the warden ends before. */
  hear(what: RegExp): Promise<RegExpExecArray>;
  stop(): Promise<number | null>;
}

function play(place: string, program: string, part: string): Played {
  const child = spawn(nativeProgram(), ["serve", place, program, "--", part], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  const told: string[] = [];
  let at = 0;
  let wake: () => void = () => undefined;
  let isOver = false;
  child.stderr?.on("data", (chunk: Buffer) => {
    told.push(...chunk.toString().trim().split("\n"));
    wake();
  });
  const ended = once(child, "close").then(([status]) => {
    isOver = true;
    wake();
    return status as number | null;
  });
  const hear = async (what: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const index = told.findIndex((line, number) => number >= at && what.test(line));
      if (index >= 0) {
        at = index + 1;
        return what.exec(told[index] ?? "") as RegExpExecArray;
      }
      if (isOver) throw new Error(`the warden ended without ${what}: ${told.join("; ")}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const stop = async () => {
    child.kill("SIGTERM");
    return ended;
  };
  return { child, ended, told, hear, stop };
}

/** What one connection is answered. */
export async function ask(port: string): Promise<string> {
  const socket = connect(Number(port), "127.0.0.1");
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}

export function wardenOf(played: Played): WardenOnHost {
  const warden = ownWardens().find(({ pid }) => pid === played.child.pid);
  assert.ok(warden);
  return warden;
}

export function keeperOf(played: Played): number | undefined {
  const nodes = played.told.map((line) => Number(/^\w+ (\d+) starts/.exec(line)?.[1]));
  return childrenOf(played.child.pid ?? 0).find((pid) => !nodes.includes(pid));
}
