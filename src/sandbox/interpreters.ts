/**
 * Which interpreters a box has, and in which version: found by asking them inside a box, so
 * that what is told is what a job gets.
 */
import { existsSync } from "node:fs";
import { LANGUAGES, type Language } from "../core/languages.ts";
import { JOB_LIMITS } from "../core/limits.ts";
import type { Manifest } from "../core/manifest.ts";
import type { InterpreterInfo } from "../core/offer.ts";
import type { Runner } from "../core/runner.ts";
import { Stop } from "../core/stop.ts";
import { bringsNode } from "./place.ts";

const MARK = "@@@";
/** A Java machine and a Go tool chain start slowly on a busy machine. */
const TIMEOUT_SECONDS = 120;

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function question(language: Language): string {
  const call = [language.program, ...language.versionArguments].map(quote).join(" ");
  return `if command -v ${quote(language.program)} >/dev/null; then echo '${MARK}${language.name}'; ${call} 2>&1 </dev/null | head -c 1000; echo; fi`;
}

/** Whether it is there, at the cost of a look: nothing is started. */
function glance({ name, program }: Language): string {
  return `if command -v ${quote(program)} >/dev/null; then echo '${MARK}${name}'; fi`;
}

/** A job of our own, for a question to a box. */
export function scriptManifest(environment: string | undefined): Manifest {
  return {
    entrypoint: "question",
    interpreter: "sh",
    args: [],
    env: {},
    stdin: new Uint8Array(0),
    outputs: [],
    timeoutSeconds: TIMEOUT_SECONDS,
    memoryMb: JOB_LIMITS.memoryMb.usual,
    cpuSeconds: undefined,
    environment,
    nonce: undefined,
    interactive: false,
    tty: false,
  };
}

/**
 * Runs a shell script in a box.
 * @param onStarted called when it runs: from then on nothing of ours is needed until its end
 * @returns what it printed.
 * @throws Error when it did not run to its end.
 */
export async function askBox(
  runner: Runner,
  script: string,
  environment?: string,
  onStarted: () => void = () => undefined,
): Promise<string> {
  const printed: Uint8Array[] = [];
  const bytes = new TextEncoder().encode(script);
  const finished = await runner.run(
    {
      manifest: scriptManifest(environment),
      input: {
        directories: [],
        files: [{ path: "question", executable: false, mtimeSeconds: 0, bytes }],
      },
      mergeStreams: true,
    },
    { onStarted, onPrinted: (chunk) => printed.push(chunk.bytes) },
    new Stop(),
  );
  await finished.outputs.destroy();
  const { outcome } = finished;
  if (outcome.kind === "sandbox_error") throw new Error(`the sandbox failed: ${outcome.step}`);
  if (outcome.kind !== "exited") throw new Error(`a question to a box ended as ${outcome.kind}`);
  return Buffer.concat(printed).toString("utf8");
}

function answerFor(language: Language, printed: string): InterpreterInfo | undefined {
  const start = printed.indexOf(`${MARK}${language.name}\n`);
  if (start === -1) return undefined;
  const text = printed.slice(start + MARK.length + language.name.length + 1);
  const end = text.indexOf(MARK);
  const version = language.version(end === -1 ? text : text.slice(0, end));
  // Something of that name that does not work here is not offered.
  if (version === undefined) return undefined;
  const { name, aliases, extensions } = language;
  return { name, aliases, extensions, version };
}

export async function findInterpreters(
  runner: Runner,
  environment?: string,
): Promise<readonly InterpreterInfo[]> {
  const printed = await askBox(runner, LANGUAGES.map(question).join("\n"), environment);
  return LANGUAGES.map((language) => answerFor(language, printed)).filter(
    (info) => info !== undefined,
  );
}

/** The same in a millisecond, for whoever is waited for: what is there, without its versions. */
export const GLANCE = LANGUAGES.map(glance).join("\n");

/** @param printed by GLANCE, and by others */
export function glancedAt(printed: string): readonly InterpreterInfo[] {
  const seen = new Set(printed.split("\n"));
  return LANGUAGES.filter(({ name }) => seen.has(`${MARK}${name}`)).map(unversioned);
}

function unversioned({ name, aliases, extensions }: Language): InterpreterInfo {
  return { name, aliases, extensions, version: "unknown" };
}

/**
 * Which interpreters a box should have, judged from outside by what stands where a box would
 * look; the versions are not known. For a single local run, where asking would take too long.
 */
export function guessInterpreters(
  environments: readonly { readonly directory: string }[],
): readonly InterpreterInfo[] {
  const places = [
    "/usr/bin",
    "/usr/sbin",
    ...environments.map(({ directory }) => `${directory}/bin`),
  ];
  const isHere = (program: string) => places.some((place) => existsSync(`${place}/${program}`));
  const isThere = (name: string) => name === "node" && bringsNode();
  return LANGUAGES.filter(({ name, program }) => isThere(name) || isHere(program)).map(unversioned);
}
