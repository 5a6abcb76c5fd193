/** A Runner without boxes: the test says what each job does, step by step or all at once. */
import { createHash } from "node:crypto";
import { SandboxFault } from "../../src/core/errors.ts";
import type { Outcome, OutputFile, StopCause, StreamName, Usage } from "../../src/core/job.ts";
import type { EnvironmentInfo, InterpreterInfo } from "../../src/core/offer.ts";
import type {
  Finished,
  JobSpec,
  Outputs,
  RunEvents,
  Runner,
  RunnerHealth,
  RunningJob,
} from "../../src/core/runner.ts";
import type { JobSignal } from "../../src/core/signals.ts";

export const SOME_USAGE: Usage = { cpuMs: 120, memoryPeakBytes: 8 * 1024 * 1024, wallMs: 250 };

/** Output files of a job as the test wants them; notes that they were destroyed. */
export class FakeOutputs implements Outputs {
  readonly files: readonly OutputFile[];
  readonly holdsBox: boolean;
  readonly totalBytes: number;
  destroyed = 0;
  /** Readers that have begun and not ended. */
  reading = 0;
  /** Awaited before each file's bytes come, when it is set. */
  gate: Promise<void> | undefined;
  readonly #contents: ReadonlyMap<string, Uint8Array>;

  constructor(contents: Record<string, string | Uint8Array> = {}, holdsBox = false) {
    const bytes = Object.entries(contents).map(([path, content]) => [path, Buffer.from(content)]);
    this.#contents = new Map(bytes as [string, Buffer][]);
    this.files = [...this.#contents].map(([path, content]) => ({
      path,
      sizeBytes: content.length,
      executable: false,
      mtimeSeconds: 1_700_000_000,
      sha256: createHash("sha256").update(content).digest("hex"),
    }));
    this.holdsBox = holdsBox;
    this.totalBytes = this.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  }

  async *read(file: OutputFile): AsyncGenerator<Uint8Array> {
    const bytes = this.#contents.get(file.path);
    if (bytes === undefined) throw new Error("no such file");
    this.reading += 1;
    try {
      for (let at = 0; at < bytes.length; at += 65_536) {
        await this.gate;
        if (this.destroyed > 0) throw new SandboxFault("the box is gone");
        yield Uint8Array.from(bytes.subarray(at, at + 65_536));
      }
    } finally {
      this.reading -= 1;
    }
  }

  destroy(): Promise<void> {
    this.destroyed += 1;
    return Promise.resolve();
  }
}

export interface Ending {
  readonly outcome?: Outcome;
  readonly usage?: Usage;
  readonly boxCpuMs?: number;
  readonly outputs?: FakeOutputs;
  readonly dropped?: { readonly stdout: number; readonly stderr: number };
}

/** One job in the fake box. */
export class FakeRun implements RunningJob {
  readonly spec: JobSpec;
  /** What its cgroup would tell. */
  usedCpuMs = 0;
  /** Cores that it is held to, in the order in which that was said. */
  readonly throttles: (number | undefined)[] = [];
  /** It does not die when it is stopped. */
  isStuck = false;
  /** What is told of it when it is stopped. */
  usageWhenStopped = SOME_USAGE;
  readonly #events: RunEvents;
  readonly #finished = Promise.withResolvers<Finished>();
  readonly signal: AbortSignal;

  constructor(spec: JobSpec, events: RunEvents, signal: AbortSignal) {
    this.spec = spec;
    this.#events = events;
    this.signal = signal;
    if (signal.aborted) this.#stop();
    else signal.addEventListener("abort", () => this.#stop(), { once: true });
  }

  get finished(): Promise<Finished> {
    return this.#finished.promise;
  }

  /** The entrypoint's text; only before `start`. */
  get code(): string {
    const file = this.spec.input.files.find(({ path }) => path === this.spec.manifest.entrypoint);
    return Buffer.from(file?.bytes ?? []).toString();
  }

  /** What the job was sent, in words. */
  readonly told: string[] = [];
  /** Awaited before input is taken, when it is set. */
  gate: Promise<void> | undefined;

  start(): void {
    this.#events.onStarted(this);
  }

  cpuMs(): number {
    return this.usedCpuMs;
  }

  isHungry = false;

  wantsCpu(): boolean {
    return this.isHungry;
  }

  /** What its cgroup holds. */
  heldBytes = 0;

  memoryBytes(): number {
    return this.heldBytes;
  }

  throttle(cpus: number | undefined): void {
    this.throttles.push(cpus);
  }

  async writeStdin(bytes: Uint8Array): Promise<void> {
    await this.gate;
    this.told.push(Buffer.from(bytes).toString());
  }

  endStdin(): void {
    this.told.push("end");
  }

  sendSignal(name: JobSignal): void {
    this.told.push(name);
  }

  resize(columns: number, rows: number): void {
    this.told.push(`${columns}x${rows}`);
  }

  print(bytes: string | Uint8Array, stream: StreamName = "stdout"): void {
    this.#events.onPrinted({ stream, bytes: Buffer.from(bytes) });
  }

  end(ending: Ending = {}): void {
    this.#finished.resolve({
      outcome: ending.outcome ?? { kind: "exited", exitCode: 0 },
      usage: ending.usage ?? SOME_USAGE,
      boxCpuMs: ending.boxCpuMs ?? 0,
      isolation: ["pid", "seccomp"],
      droppedBytes: ending.dropped ?? { stdout: 0, stderr: 0 },
      outputs: ending.outputs ?? new FakeOutputs(),
    });
  }

  fail(fault: Error): void {
    this.#finished.reject(fault);
  }

  #stop(): void {
    if (this.isStuck) return;
    this.heldBytes = 0;
    const outcome: Outcome = { kind: this.signal.reason as StopCause };
    this.end({ outcome, usage: this.usageWhenStopped });
  }
}

export class FakeRunner implements Runner {
  slots = 4;
  state: RunnerHealth = { healthy: true };
  interpreters: readonly InterpreterInfo[] = [
    { name: "python3", aliases: ["python", "py"], version: "3.11.2", extensions: [".py"] },
    { name: "node", aliases: ["javascript", "js"], version: "24.0.0", extensions: [".js"] },
    { name: "bash", aliases: [], version: "5.2.15", extensions: [".bash"] },
  ];
  environments: readonly EnvironmentInfo[] = [
    {
      name: "science",
      interpreters: [{ name: "python3", version: "3.11.2" }],
      packages: [{ name: "numpy", version: "2.0.0" }],
    },
  ];
  /** Every job that was admitted, in order. */
  readonly runs: FakeRun[] = [];
  /** What a job does at once, without the test's further help. */
  script: ((run: FakeRun) => void) | undefined;
  readonly #waiting: ((run: FakeRun) => void)[] = [];
  #taken = 0;

  run(spec: JobSpec, events: RunEvents, signal: AbortSignal): Promise<Finished> {
    const run = new FakeRun(spec, events, signal);
    this.runs.push(run);
    this.script?.(run);
    this.#waiting.shift()?.(run);
    return run.finished;
  }

  /** The next job that was not asked for yet, as soon as there is one. */
  next(): Promise<FakeRun> {
    const index = this.#taken++;
    const run = this.runs[index];
    if (run !== undefined) return Promise.resolve(run);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  memoryBytes(): number {
    return this.runs.reduce((sum, run) => sum + run.heldBytes, 0);
  }

  health(): RunnerHealth {
    return this.state;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
