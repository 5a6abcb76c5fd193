/**
 * Runs code in real boxes, for tests. A test file opens one runner; where no box can be built,
 * opening it fails and every test of the file with it.
 */
import assert from "node:assert/strict";
import { after, before, type TestContext } from "node:test";
import type { InputFile, Outcome, StreamName } from "../../src/core/job.ts";
import type { Finished, JobSpec, Runner, RunningJob } from "../../src/core/runner.ts";
import { openLocalRunner } from "../../src/main.ts";
import { patient } from "./patience.ts";

/** Any time without a fraction of a second: a file that keeps it was not touched. */
export const INPUT_TIME = 1_700_000_000;

export interface Job {
  /** Text of the entrypoint. */
  readonly code: string;
  /** Canonical name; python3 when left out. */
  readonly interpreter?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array | string;
  readonly outputs?: readonly string[];
  readonly timeoutSeconds?: number;
  readonly memoryMb?: number;
  readonly cpuSeconds?: number;
  readonly environment?: string;
  readonly interactive?: boolean;
  readonly tty?: boolean;
  /** Beside the entrypoint. */
  readonly files?: readonly InputFile[];
  readonly directories?: readonly string[];
  readonly mergeStreams?: boolean;
  readonly signal?: AbortSignal;
  readonly onStarted?: (running: RunningJob) => void;
  /** What was printed so far on that stream; for jobs that say when they are at some point. */
  readonly onPrinted?: (stream: StreamName, text: string) => void;
}

/** An ended job whose outputs are still to be read and destroyed. */
export interface Ended {
  readonly outcome: Outcome;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly finished: Finished;
}

/** An ended job of which nothing is left. */
export interface Ran extends Ended {
  readonly files: ReadonlyMap<string, Buffer>;
}

export const ENTRYPOINTS: Readonly<Record<string, string>> = {
  python3: "main.py",
  node: "main.js",
  bash: "main.sh",
  sh: "main.sh",
  gcc: "main.c",
  java: "main.java",
};

export function inputFile(path: string, content: Uint8Array | string = ""): InputFile {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { path, executable: false, mtimeSeconds: INPUT_TIME, bytes };
}

function bytesOf(content: Uint8Array | string | undefined): Uint8Array {
  return typeof content === "object" ? content : new TextEncoder().encode(content ?? "");
}

export function specOf(job: Job): JobSpec {
  const interpreter = job.interpreter ?? "python3";
  const entrypoint = ENTRYPOINTS[interpreter] ?? "main";
  return {
    manifest: {
      entrypoint,
      interpreter,
      args: job.args ?? [],
      env: job.env ?? {},
      // The runner overwrites it as it goes.
      stdin: Uint8Array.from(bytesOf(job.stdin)),
      outputs: job.outputs,
      timeoutSeconds: job.timeoutSeconds ?? patient(60),
      memoryMb: job.memoryMb ?? 512,
      cpuSeconds: job.cpuSeconds,
      environment: job.environment,
      nonce: undefined,
      interactive: job.interactive ?? false,
      tty: job.tty ?? false,
    },
    input: {
      files: [inputFile(entrypoint, job.code), ...(job.files ?? [])],
      directories: job.directories ?? [],
    },
    mergeStreams: job.mergeStreams ?? false,
  };
}

/** Runs a job and leaves its outputs to the caller. */
export async function hold(runner: Runner, job: Job): Promise<Ended> {
  const printed: Record<StreamName, Buffer[]> = { stdout: [], stderr: [] };
  const onPrinted = (chunk: { stream: StreamName; bytes: Uint8Array }) => {
    printed[chunk.stream].push(Buffer.from(chunk.bytes));
    if (job.onPrinted === undefined) return;
    job.onPrinted(chunk.stream, Buffer.concat(printed[chunk.stream]).toString());
  };
  const finished = await runner.run(
    specOf(job),
    { onStarted: (running) => job.onStarted?.(running), onPrinted },
    job.signal ?? new AbortController().signal,
  );
  return {
    outcome: finished.outcome,
    stdout: Buffer.concat(printed.stdout),
    stderr: Buffer.concat(printed.stderr),
    finished,
  };
}

/** All bytes of one output. */
export async function contentOf(ended: Ended, path: string): Promise<Buffer> {
  const file = ended.finished.outputs.files.find((one) => one.path === path);
  assert.ok(file, `there is no output ${path}`);
  const pieces: Uint8Array[] = [];
  for await (const piece of ended.finished.outputs.read(file)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Runs a job, reads all of its outputs and destroys it. */
export async function run(runner: Runner, job: Job): Promise<Ran> {
  const ended = await hold(runner, job);
  const files = new Map<string, Buffer>();
  for (const { path } of ended.finished.outputs.files) {
    files.set(path, await contentOf(ended, path));
  }
  await ended.finished.outputs.destroy();
  return { ...ended, files };
}

/** Runs a job that must end well; returns what it printed. */
export async function say(runner: Runner, job: Job | string): Promise<string> {
  const ran = await run(runner, typeof job === "string" ? { code: job } : job);
  const told = `${JSON.stringify(ran.outcome)}\n${ran.stdout}\n${ran.stderr}`;
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 0 }, told);
  return ran.stdout.toString();
}

interface TestRunnerOptions {
  readonly slots: number;
  readonly environments: Readonly<Record<string, string>>;
  readonly mostWaiting?: number;
  readonly forks?: boolean;
}

/** As `openLocalRunner`, with the build of the native part that SANDRUN_TEST_NATIVE names, if it does. */
export function openTestRunner(options: TestRunnerOptions): Promise<Runner> {
  const program = process.env["SANDRUN_TEST_NATIVE"];
  return openLocalRunner(program === undefined ? options : { ...options, program });
}

/**
 * A runner for one test, which closes it when it looks at what is left. One that fails before has
 * jobs that run on, and they would hold up the whole file: so it is closed behind the test as well.
 */
export async function openRunnerFor(
  context: TestContext,
  options: TestRunnerOptions,
): Promise<Runner> {
  const runner = await openTestRunner(options);
  context.after(() => runner.close());
  return runner;
}

/** Opens a runner before the tests of a file and closes it behind them. */
export function useRunner(
  slots: number,
  environments: () => Readonly<Record<string, string>> = () => ({}),
): () => Runner {
  let runner: Runner | undefined;
  before(async () => {
    runner = await openTestRunner({ slots, environments: environments() });
  });
  after(async () => {
    await runner?.close();
  });
  return () => {
    assert.ok(runner, "the runner is open");
    return runner;
  };
}

/** A job that runs until it is stopped. */
export interface Running {
  /** What it had printed to stdout when it was ready. */
  readonly said: string;
  readonly ended: Promise<Ended>;
  /** Cancels it; resolves when it is gone. */
  stop(): Promise<Ended>;
}

/** Starts a job and waits until it has printed `mark`; fails when it ends before. */
export async function begin(runner: Runner, job: Job, mark: string): Promise<Running> {
  const stopper = new AbortController();
  const ready = Promise.withResolvers<string>();
  const ended = hold(runner, {
    ...job,
    signal: stopper.signal,
    onPrinted: (_, text) => {
      if (text.includes(mark)) ready.resolve(text);
    },
  });
  const tooEarly = ended.then(({ outcome, stderr }) => {
    throw new Error(`ended too early: ${JSON.stringify(outcome)} ${stderr}`);
  });
  const said = await Promise.race([ready.promise, tooEarly]);
  tooEarly.catch(() => undefined);
  return {
    said,
    ended,
    stop: async () => {
      stopper.abort("cancelled");
      const last = await ended;
      await last.finished.outputs.destroy();
      return last;
    },
  };
}
