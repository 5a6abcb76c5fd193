/** The vocabulary of a job: what goes in, how it ended, what it used, what came out. */

/** How a job ended. The first cause wins; there is exactly one. */
export type Outcome =
  | { readonly kind: "exited"; readonly exitCode: number }
  | { readonly kind: "signalled"; readonly signal: string }
  | { readonly kind: "timed_out" }
  | { readonly kind: "cpu_limit" }
  | { readonly kind: "out_of_memory" }
  | { readonly kind: "output_limit" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "evicted" }
  | { readonly kind: "sandbox_error"; readonly step: string };

/** Why somebody other than the program ended it; the reason of a `StopSignal`. */
export type StopCause = "cancelled" | "evicted";

/** What the job's own group really used, read from its cgroup. */
export interface Usage {
  readonly cpuMs: number;
  readonly memoryPeakBytes: number;
  /** From the program's start to its end. */
  readonly wallMs: number;
}

export const NO_USAGE: Usage = { cpuMs: 0, memoryPeakBytes: 0, wallMs: 0 };

/** One regular file below /work before the program starts. */
export interface InputFile {
  /** Relative, normalised, `/`-separated; never empty, absolute or with `..`. */
  readonly path: string;
  /** Permission bits; only the owner's execute bit is honoured. */
  readonly executable: boolean;
  /** Whole seconds since 1970; the file gets exactly this time, so a change of it shows. */
  readonly mtimeSeconds: number;
  readonly bytes: Uint8Array;
}

/** What came in with a request: files and, separately, directories that may be empty. */
export interface InputTree {
  readonly files: readonly InputFile[];
  readonly directories: readonly string[];
}

export type StreamName = "stdout" | "stderr";

/** A piece of what the program printed. */
export interface PrintedChunk {
  readonly stream: StreamName;
  readonly bytes: Uint8Array;
}

/** One file that the job made, as its box reported it; the path is hostile data. */
export interface OutputFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly executable: boolean;
  readonly mtimeSeconds: number;
  /** Hex. */
  readonly sha256: string;
}
