/** What a machine offers to jobs: the names that a manifest may use. */

/** An interpreter that jobs can name. */
export interface InterpreterInfo {
  /** The name used in a manifest, for example "python3". */
  readonly name: string;
  readonly aliases: readonly string[];
  /** As the interpreter itself reports it inside a box, for example "3.11.2". */
  readonly version: string;
  /** File endings that choose it, with the dot. */
  readonly extensions: readonly string[];
}

/** A prepared tree that jobs can name. */
export interface EnvironmentInfo {
  readonly name: string;
  readonly interpreters: readonly { readonly name: string; readonly version: string }[];
  /** Name and version of each package found in it, sorted by name. */
  readonly packages: readonly { readonly name: string; readonly version: string }[];
}
