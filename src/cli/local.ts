/** A job in a box on this machine, without a server. */
import type { Outcome, PrintedChunk } from "../core/job.ts";
import { MIB, TRANSFER_LIMITS } from "../core/limits.ts";
import { parseManifest, resolveManifest } from "../core/manifest.ts";
import type { Finished, JobSpec, Runner, RunningJob } from "../core/runner.ts";
import { endSentence } from "../core/words.ts";
import type { Backend } from "./backend.ts";
import type { Destination } from "./collect.ts";
import { collect, mentionFiles } from "./collect.ts";
import type { Io } from "./io.ts";
import { put, tell } from "./io.ts";
import { localResult } from "./jobJson.ts";
import type { Prepared } from "./prepare.ts";
import type { EnvironmentChoice } from "./runOptions.ts";
import { EXIT, exitStatus } from "./show.ts";
import { passOnInput } from "./typed.ts";

/** What the caller wants to have of a job. */
export interface Wanted {
  readonly json: boolean;
  readonly destination: Destination | undefined;
}

/** Runs it and shows it. @returns the exit status @throws Refusal */
export async function runLocally(
  prepared: Prepared,
  environment: EnvironmentChoice | undefined,
  wanted: Wanted,
  backend: Backend,
  io: Io,
): Promise<number> {
  const { name, directory } = environment ?? {};
  const asked = parseManifest(prepared.fields);
  const stdin = prepared.stdin ?? asked.stdin;
  // Whatever its job.json says: nobody but us could send it anything.
  const request = { ...asked, stdin, interactive: prepared.isLive };
  const runner = await backend.openLocalRunner({
    environments: name === undefined || directory === undefined ? {} : { [name]: directory },
  });
  try {
    const spec: JobSpec = {
      manifest: resolveManifest(request, prepared.input, runner),
      input: prepared.input,
      // On one terminal the order of both streams matters more than which was which.
      mergeStreams: !wanted.json && io.stdout.isTTY === true && io.stderr.isTTY === true,
    };
    const printed: PrintedChunk[] = [];
    const finished = await runToEnd(runner, spec, wanted.json ? printed : undefined, io);
    try {
      return await report(finished, spec, printed, wanted, io);
    } finally {
      await finished.outputs.destroy();
    }
  } finally {
    await runner.close();
  }
}

async function runToEnd(
  runner: Runner,
  spec: JobSpec,
  keep: PrintedChunk[] | undefined,
  io: Io,
): Promise<Finished> {
  const stop = new AbortController();
  const cancel = (): void => stop.abort("cancelled");
  if (io.interrupted.aborted) cancel();
  io.interrupted.addEventListener("abort", cancel, { once: true });
  let shown: Promise<void> = Promise.resolve();
  const onPrinted = (chunk: PrintedChunk): void => {
    if (keep !== undefined) keep.push(chunk);
    else shown = Promise.all([shown, put(io[chunk.stream], chunk.bytes)]).then(() => undefined);
  };
  let stopInput = (): void => undefined;
  const onStarted = (running: RunningJob): void => {
    io.firstInterrupt.forward = () => running.sendSignal("SIGINT");
    if (!spec.manifest.interactive) return;
    stopInput = passOnInput(io, {
      write: (bytes) => running.writeStdin(bytes),
      end: () => running.endStdin(),
    });
  };
  try {
    const finished = await runner.run(spec, { onStarted, onPrinted }, stop.signal);
    await shown;
    return finished;
  } finally {
    stopInput();
    io.firstInterrupt.forward = undefined;
    io.interrupted.removeEventListener("abort", cancel);
  }
}

async function report(
  finished: Finished,
  spec: JobSpec,
  printed: readonly PrintedChunk[],
  wanted: Wanted,
  io: Io,
): Promise<number> {
  if (wanted.json)
    await put(io.stdout, `${JSON.stringify(await localResult(finished, printed))}\n`);
  else await reportEnd(finished, spec, io);
  const { files } = finished.outputs;
  const status = statusOf(finished.outcome, io);
  if (wanted.destination === undefined) {
    if (!wanted.json) await mentionFiles(files.length, io);
    return status;
  }
  const isWhole = await collect(
    files,
    (file) => finished.outputs.read(file),
    wanted.destination,
    io,
  );
  return isWhole || status !== 0 ? status : EXIT.sandbox;
}

async function reportEnd(finished: Finished, spec: JobSpec, io: Io): Promise<void> {
  for (const stream of ["stdout", "stderr"] as const) {
    const dropped = finished.droppedBytes[stream];
    if (dropped === 0) continue;
    const kept = TRANSFER_LIMITS.printedBytes / MIB;
    await tell(io, `${stream} was cut after ${kept} MB of output; ${dropped} bytes were dropped`);
  }
  const sentence = endSentence(finished.outcome, spec.manifest);
  // After a closed pipe (`| head`) there is nothing to say: the reader had enough.
  if (sentence !== undefined && io.interrupted.reason !== EXIT.brokenPipe) await tell(io, sentence);
}

/** A job that we cancelled ends with the reason why we did. */
function statusOf(outcome: Outcome, io: Io): number {
  const { aborted, reason } = io.interrupted;
  if (outcome.kind === "cancelled" && aborted && typeof reason === "number") return reason;
  return exitStatus(outcome);
}
