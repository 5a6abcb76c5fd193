/** What a job asks for: the finished form that runners read, and how a caller's JSON becomes it. */

import { Refusal } from "./errors.ts";
import type { InputTree } from "./job.ts";
import { JOB_LIMITS } from "./limits.ts";
import { checkFields, type ManifestFields, unsupportedField } from "./manifestFields.ts";
import { pickEntrypoint, pickEnvironment, pickInterpreter, pickNumber } from "./manifestPicks.ts";
import type { EnvironmentInfo, InterpreterInfo } from "./offer.ts";
import { showPath } from "./paths.ts";

/** Complete, checked against the upload and against what this machine has. */
export interface Manifest {
  readonly entrypoint: string;
  /** Canonical name; see core/languages.ts. */
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
  /** Standard input stays open after `stdin`: more comes while the program runs. */
  readonly interactive: boolean;
  /** One pseudo-terminal in place of three pipes. */
  readonly tty: boolean;
}

/** A caller's manifest: every field that is there is valid by itself, none has a default yet. */
export interface ManifestRequest {
  readonly entrypoint: string | undefined;
  /** Canonical name, or one that nobody knows. */
  readonly interpreter: string | undefined;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
  readonly outputs: readonly string[] | undefined;
  readonly timeoutSeconds: number | undefined;
  readonly memoryMb: number | undefined;
  readonly cpuSeconds: number | undefined;
  readonly environment: string | undefined;
  readonly nonce: string | undefined;
  readonly interactive: boolean;
  readonly tty: boolean;
}

function toRequest(fields: ManifestFields): ManifestRequest {
  return {
    entrypoint: fields.entrypoint,
    interpreter: fields.interpreter,
    args: fields.args ?? [],
    env: fields.env ?? {},
    stdin: new TextEncoder().encode(fields.stdin ?? ""),
    outputs: fields.outputs,
    timeoutSeconds: fields.timeout,
    memoryMb: fields.memory_mb,
    cpuSeconds: fields.cpu_seconds,
    environment: fields.environment,
    nonce: fields.nonce,
    interactive: fields.interactive ?? false,
    tty: fields.tty ?? false,
  };
}

/**
 * Checks a manifest in the form of the API.
 * @param json what `JSON.parse` made of it, hostile; undefined when there is no manifest.
 * @throws Refusal `bad_manifest`, `bad_path`, `unknown_interpreter` or `unsupported`, naming
 *   the field.
 */
export function parseManifest(json: unknown): ManifestRequest {
  return toRequest(checkFields(json === undefined ? {} : json));
}

const LISTS: ReadonlySet<string> = new Set(["args", "outputs"]);
const NUMBERS: ReadonlySet<string> = new Set(["timeout", "memory_mb", "cpu_seconds"]);

const SWITCHES: ReadonlySet<string> = new Set(["interactive", "tty"]);

function switchOf(name: string, text: string): boolean {
  if (text !== "true" && text !== "false") {
    throw new Refusal("bad_manifest", `${name}: must be true or false`);
  }
  return text === "true";
}

function numberOf(name: string, text: string): number {
  if (!/^\d{1,10}(?:\.\d{1,6})?$/.test(text)) {
    throw new Refusal("bad_manifest", `${name}: must be a number`);
  }
  return Number(text);
}

function addVariable(env: Map<string, string>, text: string): void {
  const equals = text.indexOf("=");
  if (equals < 1) throw new Refusal("bad_manifest", "env: must be NAME=VALUE");
  const name = text.slice(0, equals);
  if (env.has(name)) throw new Refusal("bad_manifest", `env.${showPath(name)}: given twice`);
  env.set(name, text.slice(equals + 1));
}

function addOnce(single: Map<string, unknown>, name: string, text: string): void {
  if (single.has(name)) throw new Refusal("bad_manifest", `${showPath(name)}: given twice`);
  if (NUMBERS.has(name)) single.set(name, numberOf(name, text));
  else single.set(name, SWITCHES.has(name) ? switchOf(name, text) : text);
}

/**
 * Checks a manifest that came as a query string, such as
 * `?interpreter=node&timeout=5&args=a&args=b&env=K=V`. `args`, `outputs` and `env` may stand
 * several times, the others once.
 * @param entries decoded; parameters that are no manifest fields must be taken out before.
 * @throws Refusal as `parseManifest` does.
 */
export function manifestFromQuery(entries: Iterable<readonly [string, string]>): ManifestRequest {
  const single = new Map<string, unknown>();
  const lists = new Map<string, string[]>();
  const env = new Map<string, string>();
  for (const [name, text] of entries) {
    // Text is never JSON's true or a list: any value of these is a wish for the thing itself.
    if (unsupportedField(name)) throw new Refusal("unsupported", name);
    if (name === "env") addVariable(env, text);
    else if (LISTS.has(name)) lists.set(name, [...(lists.get(name) ?? []), text]);
    else addOnce(single, name, text);
  }
  // fromEntries makes plain properties of all names, `__proto__` too.
  if (env.size > 0) single.set("env", Object.fromEntries(env));
  return parseManifest(Object.fromEntries([...single, ...lists]));
}

/** What this machine has and allows. */
export interface Available {
  readonly interpreters: readonly InterpreterInfo[];
  readonly environments: readonly EnvironmentInfo[];
  /** The service's own ceilings, where they are below those of core/limits.ts. */
  readonly ceilings?: { readonly timeoutSeconds?: number; readonly memoryMb?: number };
}

/**
 * Completes a manifest.
 *
 * Entrypoint: the named one, else the only file, else the only `main.*` at the top.
 * Interpreter: the named one, else by the file's ending, else by its `#!` line; with an
 * environment, those of the environment count beside those of the machine.
 * @throws Refusal `bad_manifest`, `unknown_interpreter` or `unknown_environment`, naming the
 *   field and listing what there is.
 */
export function resolveManifest(
  request: ManifestRequest,
  input: InputTree,
  available: Available,
): Manifest {
  const { ceilings = {} } = available;
  const { timeoutSeconds, memoryMb } = JOB_LIMITS;
  const environment = pickEnvironment(request.environment, available.environments);
  const here = [...available.interpreters, ...(environment?.interpreters ?? [])];
  const names = [...new Set(here.map(({ name }) => name))];
  const entrypoint = pickEntrypoint(request.entrypoint, input.files);
  return {
    ...request,
    entrypoint: entrypoint.path,
    interpreter: pickInterpreter(request.interpreter, entrypoint, names),
    timeoutSeconds: pickNumber(
      "timeout",
      request.timeoutSeconds,
      timeoutSeconds.usual,
      ceilings.timeoutSeconds ?? timeoutSeconds.most,
    ),
    memoryMb: pickNumber(
      "memory_mb",
      request.memoryMb,
      memoryMb.usual,
      ceilings.memoryMb ?? memoryMb.most,
    ),
  };
}
