/** Baits on the host: what a program would have to reach to show that it got out. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allPids } from "../support/host.ts";
import type { ServiceAt } from "./client.ts";

/** Pids of all processes whose command line or environment has that text, where it can be read. */
export function pidsWith(where: "cmdline" | "environ", text: string): number[] {
  return allPids().filter((pid) => {
    if (pid === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/${where}`, "latin1").includes(text);
    } catch {
      // It is gone, or somebody else's.
      return false;
    }
  });
}

/** A word that stands nowhere else. */
export function nonce(): string {
  return `hostile-${randomUUID()}`;
}

export interface Bait {
  readonly directory: string;
  readonly path: string;
  readonly secret: string;
  /** Whether the directory still holds that one file, as it was. */
  isIntact(): boolean;
  /** Names of what is in the directory. */
  names(): string[];
  remove(): void;
}

/** A file that all the world may read and write, so that no mode bit is what protects it. */
export function plantBait(): Bait {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-bait-"));
  const path = join(directory, "bait");
  const secret = nonce();
  writeFileSync(path, secret);
  chmodSync(directory, 0o777);
  chmodSync(path, 0o666);
  const names = () => readdirSync(directory);
  return {
    directory,
    path,
    secret,
    names,
    isIntact: () => names().join() === "bait" && readFileSync(path, "utf8") === secret,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export async function withBait<T>(use: (bait: Bait) => Promise<T>): Promise<T> {
  const bait = plantBait();
  try {
    return await use(bait);
  } finally {
    bait.remove();
  }
}

export interface Victim {
  readonly pid: number;
  readonly secret: string;
  /** Neither dead nor stopped. */
  isWell(): boolean;
}

/** A process of the host that sleeps, with a secret among its arguments and in its memory. */
export async function withVictim<T>(use: (victim: Victim) => Promise<T>): Promise<T> {
  const secret = nonce();
  const code = "import time; print('ready', flush=True); time.sleep(600)";
  const child: ChildProcess = spawn("/usr/bin/python3", ["-c", code, secret], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { SECRET: secret },
  });
  const ended = once(child, "exit");
  try {
    if (child.stdout !== null) await once(child.stdout, "data");
    const { pid = 0 } = child;
    return await use({ pid, secret, isWell: () => stateOf(pid) === "S" });
  } finally {
    child.kill("SIGCONT");
    child.kill("SIGKILL");
    await ended;
  }
}

function stateOf(pid: number): string | undefined {
  try {
    return /^State:\t(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  } catch {
    // It is gone.
    return undefined;
  }
}

export interface Ear {
  /** Connections that came in. */
  heard(): number;
  readonly port: number;
}

/** Something that listens: on TCP of loopback (`port`), or at a Unix path or abstract name. */
export async function withEar<T>(at: number | string, use: (ear: Ear) => Promise<T>): Promise<T> {
  let heard = 0;
  const server: Server = createServer((socket) => {
    heard += 1;
    socket.on("error", () => undefined).end("heard\n");
  });
  if (typeof at === "number") server.listen(at, "127.0.0.1");
  else server.listen(at);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  try {
    return await use({ heard: () => heard, port });
  } finally {
    server.close();
  }
}

/** A Python program of the host that prints something when it is ready, and is killed afterwards. */
export async function withProgram<T>(
  code: string,
  argument: string,
  use: () => Promise<T>,
): Promise<T> {
  const words = ["-c", code, argument];
  const child = spawn("/usr/bin/python3", words, { stdio: ["ignore", "pipe", "ignore"] });
  const ended = once(child, "exit");
  try {
    await once(child.stdout, "data");
    return await use();
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

/** Holds connections on which only that was sent. */
export async function withRaw<T>(
  service: ServiceAt & { readonly isPlain?: boolean },
  count: number,
  begun: string,
  use: (sockets: readonly Socket[]) => Promise<T>,
): Promise<T> {
  const open = () =>
    service.isPlain === true
      ? Promise.resolve(connect({ host: "127.0.0.1", port: service.port }))
      : service.connect();
  const sockets = await Promise.all(Array.from({ length: count }, open));
  for (const socket of sockets) socket.on("error", () => undefined).write(begun);
  try {
    return await use(sockets);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}
