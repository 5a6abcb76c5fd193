/** The warden's plan, and a warden of one's own for a command line. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { BOX_LIMITS, JOB_LIMITS, MIB } from "../core/limits.ts";
import { type Handover, parseHandover } from "./handover.ts";
import { nativeProgram, runtimeDirectory } from "./place.ts";

export interface PlanTree {
  /** In every box, or where asked for; whether it is a whole system the warden finds out. */
  readonly kind: "everywhere" | "named";
  readonly path: string;
}

/** What the warden is to set up; the lines are described in native/plan.h. */
export interface Plan {
  readonly slots: number;
  /** Cores a job gets; may be a fraction. */
  readonly cpus: number;
  /** Of all boxes together; 0 = no ceiling of our own. */
  readonly memoryBytes: number;
  /** No process of the service serves while nobody asks; false when left out. */
  readonly sleeps?: boolean;
  readonly listen?: { readonly host: string; readonly port: number } | { readonly path: string };
  /** Files that the service may read, by the name under which it gets them. */
  readonly opens?: readonly { readonly name: string; readonly path: string }[];
  readonly trees: readonly PlanTree[];
}

/** @throws Error for a path that a line cannot carry. */
export function planText(plan: Plan): string {
  const { listen } = plan;
  const lines = [
    `slots ${plan.slots}`,
    `processes ${BOX_LIMITS.processes}`,
    `cpu-percent ${Math.round(plan.cpus * 100)}`,
    `memory ${plan.memoryBytes}`,
    `job-memory ${JOB_LIMITS.memoryMb.usual * MIB}`,
    `box-memory ${BOX_LIMITS.ownMemoryBytes}`,
    `sleeps ${plan.sleeps === true ? 1 : 0}`,
  ];
  if (listen !== undefined) {
    lines.push(
      "path" in listen ? `listen unix ${listen.path}` : `listen tcp ${listen.host} ${listen.port}`,
    );
  }
  for (const { name, path } of plan.opens ?? []) lines.push(`open ${name} ${path}`);
  for (const { kind, path } of plan.trees) lines.push(`tree ${kind} ${path}`);
  if (lines.some((line) => line.includes("\n"))) throw new Error("a path has a line break in it");
  return `${lines.join("\n")}\nend\n`;
}

/** The tree that brings node into boxes. */
export function runtimeTree(): PlanTree | undefined {
  const path = runtimeDirectory();
  return path === undefined ? undefined : { kind: "everywhere", path };
}

/** For whoever has read the warden's own sentence just before. */
const TOLD_ABOVE = "where that line tells no mend, the command sandrun doctor does";

async function readHandover(child: ChildProcess): Promise<string> {
  let complaint = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaint = `${complaint}${chunk.toString("utf8")}`.slice(0, 4096);
  });
  const closed = once(child, "close").catch(() => undefined);
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.endsWith("\nend\n")) return text;
  }
  await closed;
  // Unless it was to be quiet, the warden has said on stderr what failed.
  const sentence = complaint
    .trim()
    .replaceAll(/^sandrun: /gm, "")
    .replaceAll("\n", "; ");
  throw new Error(sentence === "" ? TOLD_ABOVE : sentence);
}

export interface LocalWarden {
  readonly handover: Handover;
  readonly pid: number;
  /** Ends the warden and with it every box; resolves when nothing is left on the host. */
  close(): Promise<void>;
}

/**
 * Starts a warden that lives as long as this process.
 * @param isQuiet nothing of it reaches standard error
 * @param program another build of the native part, for tests
 * @throws Error when it could not set up: why is on standard error, or in the error when quiet.
 */
export async function startLocalWarden(
  plan: Plan,
  isQuiet = false,
  program = nativeProgram(),
): Promise<LocalWarden> {
  const stderr = isQuiet ? "pipe" : "inherit";
  const child = spawn(program, ["local"], {
    stdio: ["pipe", "pipe", stderr],
    // A session of its own: Ctrl-C is for us, who tell the program, and not for all its boxes.
    detached: true,
  });
  const exited = once(child, "exit");
  // A program that cannot be started at all shows by its missing handover.
  exited.catch(() => undefined);
  child.stdin?.on("error", () => undefined);
  child.stdin?.write(planText(plan));
  const handover = parseHandover(await readHandover(child));
  // It must not keep this process alive; the end of its standard input ends it.
  child.unref();
  return {
    handover,
    pid: child.pid ?? 0,
    close: async () => {
      child.ref();
      child.stdin?.end();
      await exited;
    },
  };
}
