export interface Manifest {
  readonly entrypoint: string;
  /** Canonical name; see core/interpreters.ts. */
  readonly interpreter: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
  /** Globs; undefined = every file that the job made or changed. */
  readonly outputs: readonly string[] | undefined;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  readonly cpuSeconds: number | undefined;
  readonly environment: string | undefined;
  readonly nonce: string | undefined;
}
