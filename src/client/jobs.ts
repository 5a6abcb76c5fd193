/** What a caller sends: a job as code, or as files with a manifest. */

/** The manifest as it stands in JSON; every field may be left out. */
export interface ManifestFields {
  readonly entrypoint?: string;
  readonly interpreter?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | { readonly base64: string };
  /** Globs; left out, every file that the job made or changed. */
  readonly outputs?: readonly string[];
  /** Seconds of wall-clock time. */
  readonly timeout?: number;
  readonly memory_mb?: number;
  readonly cpu_seconds?: number;
  readonly environment?: string;
  readonly nonce?: string;
  /** Standard input stays open behind `stdin`: `attach` sends more. For `submit`. */
  readonly interactive?: boolean;
  /** One pseudo-terminal in place of pipes: all that is printed comes as stdout. */
  readonly tty?: boolean;
}

/** One piece of code, files by path, or both. */
export interface CodeJob extends ManifestFields {
  readonly code?: string;
  readonly files?: Readonly<Record<string, string | { readonly base64: string }>>;
}

/** Files by name; a `.tar`, `.tar.gz`, `.tgz` or `.zip` among them is unpacked by the server. */
export interface FilesJob {
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array | Blob }[];
  readonly manifest: ManifestFields;
}

export type NewJob = CodeJob | FilesJob;

export function isFilesJob(job: NewJob): job is FilesJob {
  return "manifest" in job;
}
