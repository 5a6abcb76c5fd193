/**
 * What a manifest leaves open, picked from the upload and from what this machine has; every
 * refusal names the field and lists what there is.
 */
import { Refusal } from "./errors.ts";
import type { InputFile } from "./job.ts";
import { findLanguage, languageOfFile } from "./languages.ts";
import { refuseInterpreter } from "./manifestFields.ts";
import type { EnvironmentInfo } from "./offer.ts";
import { showPath } from "./paths.ts";

/** How many names a refusal lists. */
const NAMES_SHOWN = 5;
/** How much of a file is looked at for its `#!` line; the kernel's own limit. */
const FIRST_LINE_BYTES = 256;

function refuse(details: string): never {
  throw new Refusal("bad_manifest", details);
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN).map(showPath).join(", ");
  return names.length > NAMES_SHOWN ? `${shown}, …` : shown;
}

export function pickEntrypoint(wished: string | undefined, files: readonly InputFile[]): InputFile {
  if (wished !== undefined) {
    const found = files.find(({ path }) => path === wished);
    return found ?? refuse(`entrypoint: there is no file "${showPath(wished)}" in the upload`);
  }
  const mains = files.filter(({ path }) => /^main\.[^/]+$/.test(path));
  const candidates = files.length === 1 ? files : mains;
  const [first] = candidates;
  if (first !== undefined && candidates.length === 1) return first;
  if (files.length === 0) refuse("entrypoint: there are no files");
  const names = (mains.length > 1 ? mains : files).map(({ path }) => path);
  return refuse(
    `entrypoint: name the file to run; ${mains.length > 1 ? "several main files" : "files"}: ` +
      listNames(names),
  );
}

function firstLineOf(bytes: Uint8Array): string {
  const start = bytes.subarray(0, FIRST_LINE_BYTES);
  const newline = start.indexOf(0x0a);
  const line = newline === -1 ? start : start.subarray(0, newline);
  return String.fromCharCode(...line).replace(/\r$/, "");
}

export function pickInterpreter(
  wished: string | undefined,
  { path, bytes }: InputFile,
  available: readonly string[],
): string {
  if (wished !== undefined) {
    return findLanguage(wished, available)?.name ?? refuseInterpreter(wished, available);
  }
  const firstLine = firstLineOf(bytes);
  const language = languageOfFile(path, firstLine, available);
  if (language !== undefined) return language.name;
  // A language that exists but not here is better named than called unknown.
  const elsewhere = languageOfFile(path, firstLine);
  if (elsewhere !== undefined) refuseInterpreter(elsewhere.name, available);
  return refuse(
    `interpreter: cannot be told from "${showPath(path)}"; ` +
      `name one of: ${[...available].sort().join(", ")}`,
  );
}

export function pickEnvironment(
  wished: string | undefined,
  environments: readonly EnvironmentInfo[],
): EnvironmentInfo | undefined {
  if (wished === undefined) return undefined;
  const found = environments.find(({ name }) => name === wished);
  if (found !== undefined) return found;
  const names = environments.map(({ name }) => name).sort();
  throw new Refusal(
    "unknown_environment",
    `environment: "${showPath(wished)}"; available: ${names.join(", ") || "none"}`,
  );
}

/** An asked-for number under this machine's ceiling; the usual one is cut to it silently. */
export function pickNumber(
  field: string,
  wished: number | undefined,
  usual: number,
  ceiling: number,
): number {
  if (wished === undefined) return Math.min(usual, ceiling);
  if (wished > ceiling) refuse(`${field}: is at most ${ceiling} here`);
  return wished;
}
