/**
 * A job as a form: files and archives in parts called `files`, and at most one manifest, in a
 * part called `manifest` or as a `job.json` at the top of the files. A `job.json` is the
 * manifest only: the job does not find it in /work.
 */
import { Refusal } from "../core/errors.ts";
import type { InputFile, InputTree } from "../core/job.ts";
import { MANIFEST_LIMITS } from "../core/limits.ts";
import { showPath } from "../core/paths.ts";
import { type InputBudget, plainFile } from "./budget.ts";
import { type FormPart, readFormParts } from "./formParts.ts";
import { archiveKind, unpack } from "./unpack.ts";

const MANIFEST_FILE = "job.json";

export interface MultipartJob {
  readonly input: InputTree;
  /** As `JSON.parse` made it; undefined when the form has no manifest. */
  readonly manifestJson: unknown;
}

function refuse(fault: string): never {
  throw new Refusal("bad_request", fault);
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > MANIFEST_LIMITS.manifestBytes) {
    throw new Refusal("too_large", `manifest: more than ${MANIFEST_LIMITS.manifestBytes} bytes`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal("bad_manifest", "manifest: is not valid JSON");
  } finally {
    bytes.fill(0);
  }
}

function checkNames(parts: readonly FormPart[]): void {
  for (const { name, fileName } of parts) {
    if (name === "manifest") continue;
    if (name !== "files") {
      refuse(`part "${showPath(name)}": parts are called "files" or "manifest"`);
    }
    if (fileName === undefined || fileName === "") refuse('part "files": it has no file name');
  }
  if (parts.filter(({ name }) => name === "manifest").length > 1) refuse("there are two manifests");
}

async function unpackPart(
  { fileName = "", bytes }: FormPart,
  budget: InputBudget,
  signal?: AbortSignal,
): Promise<InputTree> {
  const kind = archiveKind(fileName);
  if (kind === undefined) return { files: [plainFile(fileName, bytes, budget)], directories: [] };
  return unpack(kind, bytes, budget, signal);
}

/** @param files receives the files as they come, so that they can be overwritten */
async function unpackParts(
  parts: readonly FormPart[],
  budget: InputBudget,
  files: InputFile[],
  signal?: AbortSignal,
): Promise<MultipartJob> {
  const directories: string[] = [];
  for (const part of parts) {
    if (part.name !== "files") continue;
    const tree = await unpackPart(part, budget, signal);
    files.push(...tree.files);
    directories.push(...tree.directories);
  }
  const manifestPart = parts.find(({ name }) => name === "manifest");
  const manifestFile = files.find(({ path }) => path === MANIFEST_FILE);
  if (manifestPart !== undefined && manifestFile !== undefined) {
    refuse(`there are two manifests: a part and a file ${MANIFEST_FILE}`);
  }
  const bytes = manifestPart?.bytes ?? manifestFile?.bytes;
  return {
    input: { files: files.filter((file) => file !== manifestFile), directories },
    manifestJson: bytes === undefined ? undefined : parseJson(bytes),
  };
}

/**
 * Reads a job from a multipart/form-data body. Archives are told by the end of their file name
 * and unpacked, other files are placed under their file name, which may be a relative path.
 * The body's chunks are overwritten; when the form is refused, so is all that came out of it.
 * @throws Refusal `bad_request`, `bad_manifest`, `bad_archive`, `bad_path` or `too_large`,
 *   naming the part or entry
 */
export async function readMultipart(
  body: AsyncIterable<Uint8Array> | null,
  contentType: string,
  budget: InputBudget,
  signal?: AbortSignal,
): Promise<MultipartJob> {
  if (body === null) refuse("the body is empty");
  const parts = await readFormParts(body, contentType, signal);
  const files: InputFile[] = [];
  try {
    checkNames(parts);
    return await unpackParts(parts, budget, files, signal);
  } catch (error) {
    for (const { bytes } of [...parts, ...files]) bytes.fill(0);
    throw error;
  }
}
