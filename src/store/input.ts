/**
 * What a job brought in, from submit until its box has it: then it is overwritten and let go, so
 * that neither the bytes nor the memory stay while the job runs.
 */
import type { InputFile, InputTree } from "../core/job.ts";
import type { JobSpec } from "../core/runner.ts";

/** The file list is ours to empty, so that the bytes are not held while the job runs. */
export interface OwnedSpec extends JobSpec {
  readonly input: InputTree & { readonly files: InputFile[] };
}

/** What it holds in memory. */
export function inputBytes(spec: JobSpec): number {
  return spec.input.files.reduce(
    (sum, file) => sum + file.bytes.length,
    spec.manifest.stdin.length,
  );
}

export function ownSpec(spec: JobSpec): OwnedSpec {
  return { ...spec, input: { ...spec.input, files: [...spec.input.files] } };
}

/** When the box has the files; standard input may still be on its way. */
export function dropFiles(spec: OwnedSpec): void {
  for (const file of spec.input.files) file.bytes.fill(0);
  spec.input.files.length = 0;
}

/** When nothing of it is needed any more. */
export function dropInput(spec: OwnedSpec): void {
  dropFiles(spec);
  spec.manifest.stdin.fill(0);
}
