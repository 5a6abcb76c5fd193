/**
 * Where a job runs: this machine's boxes or a pool. The engine knows only this.
 */
import type { InputTree, Outcome, OutputFile, PrintedChunk, Usage } from "./job.ts";
import type { Manifest } from "./manifest.ts";
import type { EnvironmentInfo, InterpreterInfo } from "./offer.ts";
import type { JobSignal } from "./signals.ts";
import type { StopSignal } from "./stop.ts";

/** A job that was admitted, checked and is ready to run. */
export interface JobSpec {
  /** Its `stdin` is overwritten as the box takes it. */
  readonly manifest: Manifest;
  readonly input: InputTree;
  /** One pipe for both streams: exact order, all of it reported as stdout. */
  readonly mergeStreams: boolean;
}

/** A job whose program runs, in the hands of whoever had it run; once it has ended all of it does nothing. */
export interface RunningJob {
  /**
   * CPU time that the job's own group has used so far, in milliseconds; never less than before.
   * @throws SandboxFault when the kernel does not tell
   */
  cpuMs(): number;
  /** Whether any of it runs, or would if it were given a processor, at this moment. */
  wantsCpu(): boolean;
  /**
   * Holds the job to so many cores, below its own limit; undefined lifts that. A kill lifts it
   * too, for good: a throttled job takes seconds to die.
   * @throws SandboxFault when it did not take
   */
  throttle(cpus: number | undefined): void;
  /**
   * For a manifest that is `interactive`; takes the bytes over. Resolves when the program has been
   * given them or is dead, and never rejects.
   */
  writeStdin(bytes: Uint8Array): Promise<void>;
  /** The program reads its end after what was written. */
  endStdin(): void;
  sendSignal(name: JobSignal): void;
  /** Of the terminal, for a manifest that has `tty`; 1 to STREAM_LIMITS.terminalSideMost each. */
  resize(columns: number, rows: number): void;
  /**
   * Memory that its group holds now, without pages of files that the kernel could drop.
   * @throws SandboxFault when the kernel does not tell
   */
  memoryBytes(): number;
}

/** What a runner tells while a job runs; none of these may throw. */
export interface RunEvents {
  /** The program was started. */
  onStarted(running: RunningJob): void;
  /** The callee owns the bytes from now on. */
  onPrinted(chunk: PrintedChunk): void;
}

/** The output files of one ended job; whoever holds it must `destroy` it. */
export interface Outputs {
  readonly files: readonly OutputFile[];
  /** True while a box is kept for them (they were too large for the shelf). */
  readonly holdsBox: boolean;
  /**
   * Memory that the box holds: all that the job left there, whatever of it is an output.
   * @throws SandboxFault when the kernel does not tell
   */
  readonly boxBytes?: () => number;
  readonly totalBytes: number;
  /**
   * The bytes of one of `files`, in order; copies that the caller may keep.
   * @throws SandboxFault when the box is gone.
   */
  read(file: OutputFile): AsyncIterable<Uint8Array>;
  /** Overwrites the buffers or destroys the box. May be called again. */
  destroy(): Promise<void>;
}

/** How a job ended; handed over only when every process of it is dead. */
export interface Finished {
  readonly outcome: Outcome;
  readonly usage: Usage;
  /**
   * What the box's own processes worked for it, in milliseconds of CPU time: relaying what it
   * printed, reading what it made; and choosing among that. On the caller's bill, too. Left out = nothing.
   */
  readonly boxCpuMs?: number;
  /** The layers that held in that box, as the box reported them. */
  readonly isolation: readonly string[];
  /** Bytes printed past the limit and dropped, per stream. */
  readonly droppedBytes: { readonly stdout: number; readonly stderr: number };
  readonly outputs: Outputs;
}

export interface RunnerHealth {
  readonly healthy: boolean;
  /** What failed, in one sentence; only when not healthy. */
  readonly reason?: string;
}

export interface Runner {
  readonly slots: number;
  /**
   * Runs one job to its end. Never rejects: a fault of ours is the outcome `sandbox_error`.
   * Aborting `signal` with a `StopCause` as its reason ends the job with that outcome,
   * also while it waits for a slot.
   */
  run(spec: JobSpec, events: RunEvents, signal: StopSignal): Promise<Finished>;
  /**
   * Memory that all jobs hold now, those too that have ended and whose boxes are kept; pages of
   * files count only when it is more than `enough` with them, since it takes longer to tell.
   * @throws SandboxFault when the kernel does not tell
   */
  memoryBytes(enough: number): number;
  health(): RunnerHealth;
  /** What manifests may name; constant while the service runs. */
  readonly interpreters: readonly InterpreterInfo[];
  readonly environments: readonly EnvironmentInfo[];
  close(): Promise<void>;
}
