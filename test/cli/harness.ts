/** Runs command lines without a process: own streams, a backend that runs no box. */
import { createHash } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import type { Backend, LocalRunnerOptions } from "../../src/cli/backend.ts";
import { dispatch } from "../../src/cli/dispatch.ts";
import type { FirstInterrupt, Io } from "../../src/cli/io.ts";
import type { Outcome } from "../../src/core/job.ts";
import type { InterpreterInfo } from "../../src/core/offer.ts";
import type { Finished, JobSpec, Runner } from "../../src/core/runner.ts";
import type { StopSignal } from "../../src/core/stop.ts";

/** What the pretended job does. */
export interface Script {
  readonly outcome?: Outcome;
  readonly stdout?: string | Uint8Array;
  readonly stderr?: string;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly dropped?: number;
  /** Runs until it is stopped. */
  readonly endless?: boolean;
  /** Prints its standard input, to its end. */
  readonly reads?: boolean;
}

export interface Terminals {
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
}

export interface Setting {
  readonly script?: Script;
  readonly stdin?: string | Uint8Array | Readable;
  readonly env?: NodeJS.ProcessEnv;
  readonly terminals?: Terminals;
  /** Standard input may go on while the program runs. */
  readonly live?: boolean;
  readonly firstInterrupt?: FirstInterrupt;
  readonly interrupt?: AbortController;
  readonly onStarted?: () => void;
  readonly onStdout?: (text: string) => void;
  readonly onStderr?: (text: string) => void;
  /** What trying a box says; nothing is wrong when it is left out. */
  readonly brokenBox?: string;
}

export interface Ran {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** The jobs that reached the runner. */
  readonly specs: readonly JobSpec[];
  readonly opened: readonly LocalRunnerOptions[];
  readonly closed: number;
  readonly destroyed: number;
}

const INTERPRETERS: readonly InterpreterInfo[] = [
  { name: "python3", aliases: ["python"], version: "3.11.2", extensions: [".py"] },
  { name: "node", aliases: ["javascript"], version: "24.21.0", extensions: [".js"] },
  { name: "sh", aliases: [], version: "POSIX", extensions: [".sh"] },
];

/** What the fake saw; one per run. */
interface Seen {
  readonly specs: JobSpec[];
  readonly opened: LocalRunnerOptions[];
  closed: number;
  destroyed: number;
}

export async function sandrun(argv: readonly string[], setting: Setting = {}): Promise<Ran> {
  const seen: Seen = { specs: [], opened: [], closed: 0, destroyed: 0 };
  const stdout = collector(setting.terminals?.stdout, setting.onStdout);
  const stderr = collector(setting.terminals?.stderr, setting.onStderr);
  const io: Io = {
    env: setting.env ?? {},
    stdin: source(setting),
    stdinIsLive: setting.live ?? false,
    firstInterrupt: setting.firstInterrupt ?? { forward: undefined },
    stdout: stdout.stream,
    stderr: stderr.stream,
    interrupted: (setting.interrupt ?? new AbortController()).signal,
    loadBackend: async () => fakeBackend(setting, seen),
  };
  const status = await dispatch(argv, io);
  return { status, stdout: stdout.bytes(), stderr: stderr.bytes().toString(), ...seen };
}

function source(setting: Setting): Io["stdin"] {
  const { stdin = "" } = setting;
  const readable = stdin instanceof Readable ? stdin : Readable.from([Buffer.from(stdin)]);
  return Object.assign(readable, { isTTY: setting.terminals?.stdin ?? false });
}

function collector(
  isTTY = false,
  seen: (text: string) => void = () => undefined,
): { stream: Io["stdout"]; bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    seen(chunk.toString());
  });
  return { stream: Object.assign(stream, { isTTY }), bytes: () => Buffer.concat(chunks) };
}

function fakeBackend(setting: Setting, seen: Seen): Backend {
  return {
    openLocalRunner: async (options) => {
      seen.opened.push(options);
      return fakeRunner(setting, seen, options);
    },
    openLocalService: () => Promise.reject(new Error("no test of the command line runs a service")),
    tryBox: () => Promise.resolve(setting.brokenBox),
    serveHelp: () => Promise.resolve("sandrun serve [OPTIONS]\n"),
    printPlan: async () => undefined,
    serve: async () => undefined,
  };
}

function fakeRunner(setting: Setting, seen: Seen, options: LocalRunnerOptions): Runner {
  const script = setting.script ?? {};
  const environments = Object.keys(options.environments);
  return {
    slots: 1,
    interpreters: INTERPRETERS,
    environments: environments.map((name) => ({ name, interpreters: [], packages: [] })),
    memoryBytes: () => 0,
    health: () => ({ healthy: true }),
    run: async (spec, events, signal) => {
      seen.specs.push(spec);
      const inputEnded = Promise.withResolvers<void>();
      events.onStarted({
        cpuMs: () => 0,
        wantsCpu: () => false,
        throttle: () => undefined,
        memoryBytes: () => 0,
        writeStdin: async (bytes) => {
          if (script.reads === true) events.onPrinted({ stream: "stdout", bytes });
        },
        endStdin: inputEnded.resolve,
        sendSignal: () => undefined,
        resize: () => undefined,
      });
      for (const stream of ["stdout", "stderr"] as const) {
        const printed = script[stream];
        if (printed !== undefined) events.onPrinted({ stream, bytes: Buffer.from(printed) });
      }
      setting.onStarted?.();
      if (script.reads === true) await inputEnded.promise;
      if (script.endless === true) await aborted(signal);
      const outcome: Outcome = signal.aborted
        ? { kind: "cancelled" }
        : (script.outcome ?? { kind: "exited", exitCode: 0 });
      return finished(script, outcome, seen);
    },
    close: async () => {
      seen.closed += 1;
    },
  };
}

function aborted(signal: StopSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

function finished(script: Script, outcome: Outcome, seen: Seen): Finished {
  const contents = new Map(
    Object.entries(script.files ?? {}).map(([path, bytes]) => [path, Buffer.from(bytes)]),
  );
  const files = [...contents].map(([path, bytes]) => ({
    path,
    sizeBytes: bytes.length,
    executable: false,
    mtimeSeconds: 0,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  }));
  return {
    outcome,
    usage: { cpuMs: 12, memoryPeakBytes: 5 * 1024 * 1024, wallMs: 34 },
    isolation: ["user", "seccomp"],
    droppedBytes: { stdout: script.dropped ?? 0, stderr: 0 },
    outputs: {
      files,
      holdsBox: false,
      totalBytes: 0,
      read: async function* (file) {
        yield contents.get(file.path) ?? Buffer.alloc(0);
      },
      destroy: async () => {
        seen.destroyed += 1;
      },
    },
  };
}
