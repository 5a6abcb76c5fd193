/** A job as one JSON document: `code` and `files` beside the fields of the manifest. */
import * as v from "valibot";
import { InputBudget, plainFile } from "../archive/budget.ts";
import { Refusal } from "../core/errors.ts";
import type { InputFile, InputTree } from "../core/job.ts";
import { findLanguage } from "../core/languages.ts";
import { MANIFEST_ENTRIES } from "../core/manifestFields.ts";
import { showPath } from "../core/paths.ts";
import { parseJson } from "./jsonBody.ts";

/** The interpreter of code that names none. */
export const USUAL_INTERPRETER = "python3";

const fileContents = v.union(
  [v.string(), v.strictObject({ base64: v.string() })],
  'must be a text or {"base64": text}',
);

export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

/** For OpenAPI; the fields of the manifest are checked where manifests are. */
export const runBodySchema = v.strictObject({
  code: v.optional(
    v.pipe(
      v.string("must be a text"),
      v.description("Placed in a file `main`. The interpreter is python3 unless it is named."),
    ),
  ),
  files: v.optional(
    v.pipe(
      v.record(v.string(), fileContents, "must be an object of files"),
      v.description("Path → contents of further files; without `code` one of them is run."),
    ),
  ),
  ...MANIFEST_ENTRIES,
});

export interface JsonJob {
  readonly input: InputTree;
  /** What is left of the document: the manifest's JSON. */
  readonly manifestJson: Record<string, unknown>;
}

/**
 * @param body UTF-8
 * @throws Refusal bad_request, bad_manifest, bad_path, too_large
 */
export function parseJsonJob(body: Uint8Array): JsonJob {
  const { code, files = {}, ...rest } = parseObject(body);
  const { entrypoint, interpreter } = rest;
  const budget = new InputBudget();
  const inputs = filesOf(files, budget);
  if (code === undefined) {
    if (inputs.length === 0) throw new Refusal("bad_manifest", "code: is missing");
    return { input: { files: inputs, directories: [] }, manifestJson: rest };
  }
  if (typeof code !== "string") throw new Refusal("bad_manifest", "code: must be a text");
  if (entrypoint !== undefined) {
    throw new Refusal("bad_manifest", "entrypoint: is for jobs without code");
  }
  const main = codeFile(Buffer.from(code, "utf8"), interpreter, budget);
  return {
    input: { files: [...inputs, main], directories: [] },
    manifestJson: { interpreter: USUAL_INTERPRETER, ...rest, entrypoint: main.path },
  };
}

/**
 * Code as a file: `main` with the ending of its language.
 * @throws Refusal bad_path when another file has that name
 */
export function codeFile(bytes: Uint8Array, interpreter: unknown, budget: InputBudget): InputFile {
  const name = typeof interpreter === "string" ? interpreter : USUAL_INTERPRETER;
  return plainFile(`main${findLanguage(name)?.extensions[0] ?? ""}`, bytes, budget);
}

function parseObject(body: Uint8Array): Record<string, unknown> {
  const json = parseJson(body);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new Refusal("bad_request", "The body must be a JSON object.");
  }
  return { ...json };
}

/** By hand: valibot's record leaves out names such as `constructor`, which are good file names. */
function filesOf(files: unknown, budget: InputBudget): InputFile[] {
  if (typeof files !== "object" || files === null || Array.isArray(files)) {
    throw new Refusal("bad_manifest", "files: must be an object of files");
  }
  return Object.entries(files).map(([name, contents]) =>
    plainFile(name, bytesOf(name, contents), budget),
  );
}

function bytesOf(name: string, contents: unknown): Uint8Array {
  const parsed = v.safeParse(fileContents, contents);
  if (!parsed.success) {
    throw new Refusal(
      "bad_manifest",
      `files["${showPath(name)}"]: must be a text or {"base64": text}`,
    );
  }
  if (typeof parsed.output === "string") return Buffer.from(parsed.output, "utf8");
  const { base64 } = parsed.output;
  // Buffer.from would drop what is not base64 and so change the file silently.
  if (!isBase64(base64)) {
    throw new Refusal("bad_manifest", `files["${showPath(name)}"]: is not base64`);
  }
  return Buffer.from(base64, "base64");
}
