/** Which command the first word names, and what its end or its error means for the shell. */
import { ApiError } from "../client/errors.ts";
import { Refusal } from "../core/errors.ts";
import type { Command, Io } from "./io.ts";
import { put, tell } from "./io.ts";
import { EXIT, errorSentence } from "./show.ts";
import { HelpWanted } from "./usage.ts";

/** A file per command, loaded when it is called: a local run reads only what it needs. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["submit", async () => (await import("./submit.ts")).submit],
  ["status", async () => (await import("./status.ts")).status],
  ["logs", async () => (await import("./logs.ts")).logs],
  ["outputs", async () => (await import("./outputs.ts")).outputs],
  ["download", async () => (await import("./download.ts")).download],
  ["cancel", async () => (await import("./cancel.ts")).cancel],
  ["serve", async () => (await import("./serve.ts")).serve],
  ["serve-plan", async () => (await import("./serve.ts")).servePlan],
  ["serve-run", async () => (await import("./serve.ts")).serveRun],
  ["doctor", async () => (await import("./doctor.ts")).doctor],
  ["mcp", async () => (await import("./mcp.ts")).mcp],
  ["completion", async () => (await import("./completion.ts")).completion],
  ["help", async () => (await import("./help.ts")).help],
  ["--help", async () => (await import("./help.ts")).help],
  ["-h", async () => (await import("./help.ts")).help],
  ["--version", async () => (await import("./version.ts")).version],
]);

/** Runs one command line. @returns the exit status; never rejects */
export async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const [first = "", ...rest] = argv;
  const load = COMMANDS.get(first);
  try {
    if (load !== undefined) return await (await load())(rest, io);
    return await (await import("./run.ts")).run(argv, io);
  } catch (error) {
    if (error instanceof HelpWanted) return showHelp(load === undefined ? [] : [first], io);
    if (io.interrupted.aborted) return interruptStatus(io);
    await tell(io, errorSentence(error));
    await mentionRetry(error, io);
    return EXIT.sandbox;
  }
}

async function showHelp(topic: readonly string[], io: Io): Promise<number> {
  const { helpText } = await import("./help.ts");
  await put(io.stdout, await helpText(topic[0], io));
  return 0;
}

function interruptStatus(io: Io): number {
  const { reason } = io.interrupted;
  return typeof reason === "number" ? reason : EXIT.interrupted;
}

async function mentionRetry(error: unknown, io: Io): Promise<void> {
  const seconds =
    error instanceof Refusal
      ? error.retryAfterSeconds
      : error instanceof ApiError
        ? error.retryAfter
        : undefined;
  if (seconds !== undefined) await tell(io, `try again in ${seconds} s`);
}
