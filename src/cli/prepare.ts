/** From the words on the command line to a job: its files and the fields of its manifest. */
import { Refusal } from "../core/errors.ts";
import type { InputFile, InputTree } from "../core/job.ts";
import { findLanguage } from "../core/languages.ts";
import { MANIFEST_LIMITS, TRANSFER_LIMITS } from "../core/limits.ts";
import { readAll } from "./bounded.ts";
import { gatherDirectory, gatherFile, isDirectory } from "./gather.ts";
import type { Io } from "./io.ts";
import { tell } from "./io.ts";
import { isRecord, manifestFields } from "./runOptions.ts";
import type { Parsed } from "./usage.ts";
import { one, UsageError } from "./usage.ts";

/** What becomes of standard input: kept for the run, read to its end before, not touched. */
export type InputUse = "live" | "whole" | "none";

/** A job that is complete but not yet checked. */
export interface Prepared {
  readonly input: InputTree;
  /** As in JSON, without `stdin`. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Bytes for the program's standard input; undefined when nothing was given. */
  readonly stdin: Uint8Array | undefined;
  /** Standard input goes to the program while it runs. */
  readonly isLive: boolean;
}

/** What the language of piped code is when nobody says; the same as for code sent to `/run`. */
const USUAL_LANGUAGE = "python3";

/** How long a silent pipe is waited for before we say that we wait. */
const PATIENCE_MS = 2000;

/**
 * Gathers FILE, DIR or the code on standard input.
 * @param input for a program; code is read from standard input whatever it says
 * @throws UsageError, Refusal
 */
export async function prepareJob(parsed: Parsed, io: Io, input: InputUse): Promise<Prepared> {
  const [target, ...args] = parsed.rest;
  if (target === undefined && io.stdin.isTTY === true)
    throw new UsageError("say what to run: a file, a directory or code on standard input");
  if (target === undefined || target === "-") return prepareCode(parsed, args, io);
  const isTree = await isTargetDirectory(target);
  const gathered = isTree ? await gatherDirectory(target) : await gatherFile(target);
  const { input: files, manifest } = isTree
    ? takeManifest(gathered)
    : { input: gathered, manifest: {} };
  const isLive = input === "live" && io.stdinIsLive;
  const isRead = !isLive && input !== "none" && io.stdin.isTTY !== true;
  const stdin = isRead ? await readStdin(io, MANIFEST_LIMITS.stdinBytes) : undefined;
  return {
    input: files,
    fields: manifestFields(parsed, args, manifest, io.env),
    stdin: stdin?.byteLength === 0 ? undefined : stdin,
    isLive,
  };
}

/** A word that could be a command's is told to be none, too. */
async function isTargetDirectory(target: string): Promise<boolean> {
  try {
    return await isDirectory(target);
  } catch (error) {
    if (!(error instanceof UsageError) || !/^[a-z-]+$/.test(target)) throw error;
    const more =
      "nor is it a command (sandrun help lists them; to run a file, give its name alone)";
    throw new UsageError(`${error.message}; ${more}`, { cause: error });
  }
}

async function prepareCode(parsed: Parsed, args: readonly string[], io: Io): Promise<Prepared> {
  const bytes = await readStdin(io, TRANSFER_LIMITS.inputBytes);
  const hasShebang = bytes[0] === 0x23 && bytes[1] === 0x21;
  const given = one(parsed, "lang");
  const language = given ?? (hasShebang ? undefined : USUAL_LANGUAGE);
  const ending = language === undefined ? "" : (findLanguage(language)?.extensions[0] ?? "");
  const file: InputFile = {
    path: `main${ending}`,
    bytes,
    executable: false,
    mtimeSeconds: nowSeconds(),
  };
  const fields = manifestFields(parsed, args, {}, io.env);
  return {
    input: { files: [file], directories: [] },
    fields: language === undefined ? fields : { ...fields, interpreter: language },
    stdin: undefined,
    isLive: false,
  };
}

async function readStdin(io: Io, mostBytes: number): Promise<Uint8Array> {
  const impatient = setTimeout(() => {
    void tell(io, "waiting for standard input to end (or use < /dev/null)");
  }, PATIENCE_MS);
  const stop = (): void => {
    io.stdin.destroy(new Error("interrupted"));
  };
  io.interrupted.addEventListener("abort", stop, { once: true });
  try {
    return await readAll(io.stdin, mostBytes, "Standard input");
  } finally {
    clearTimeout(impatient);
    io.interrupted.removeEventListener("abort", stop);
  }
}

const MANIFEST_NAME = "job.json";

/** Takes the manifest out of a directory's files. @throws Refusal bad_manifest */
function takeManifest(gathered: InputTree): {
  input: InputTree;
  manifest: Readonly<Record<string, unknown>>;
} {
  const file = gathered.files.find(({ path }) => path === MANIFEST_NAME);
  if (file === undefined) return { input: gathered, manifest: {} };
  if (file.bytes.byteLength > MANIFEST_LIMITS.manifestBytes)
    throw new Refusal("too_large", `${MANIFEST_NAME} is too long.`);
  const files = gathered.files.filter((other) => other !== file);
  return { input: { ...gathered, files }, manifest: parseManifestFile(file.bytes) };
}

function parseManifestFile(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const parsed = parseJson(new TextDecoder().decode(bytes));
  if (!isRecord(parsed))
    throw new Refusal("bad_manifest", `${MANIFEST_NAME} is not a JSON object.`);
  return parsed;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : "it cannot be read";
    throw new Refusal("bad_manifest", `${MANIFEST_NAME}: ${why}`);
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
