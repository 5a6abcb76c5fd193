/**
 * A request in Piston's form, as a job of ours. Its sentences about what is wrong are those that
 * Piston's clients know. What a path, an argument or a text may be the API checks for everybody.
 */
import type { CodeJob } from "../client/jobs.ts";
import { JOB_LIMITS, MIB, PISTON_LIMITS, TRANSFER_LIMITS } from "../core/limits.ts";
import { showPath } from "../core/paths.ts";
import type { Ceilings } from "../http/deps.ts";
import { findRuntime, type Runtime } from "./runtimes.ts";

/** What the client did wrong; the message is for it. */
export class Mistake extends Error {
  override readonly name = "Mistake";
}

export interface Wanted {
  readonly runtime: Runtime;
  readonly job: CodeJob;
}

type Fields = ReadonlyMap<string, unknown>;

interface File {
  readonly name: string;
  readonly content: string | { readonly base64: string };
  readonly isText: boolean;
}

/** @throws Mistake */
export function wantedOf(body: unknown, runtimes: readonly Runtime[], ceilings: Ceilings): Wanted {
  // A map has no names but those that were sent.
  const fields = fieldsOf(body) ?? new Map<string, unknown>();
  const language = requiredText(fields, "language");
  const version = requiredText(fields, "version");
  const entries = fields.get("files");
  if (!Array.isArray(entries)) throw new Mistake("files is required as an array");
  if (entries.length > TRANSFER_LIMITS.inputFiles)
    throw new Mistake(`files may have ${TRANSFER_LIMITS.inputFiles} entries`);
  const contents = entries.map(contentOf);
  const runtime = findRuntime(runtimes, language, version);
  if (runtime === undefined)
    throw new Mistake(`${showPath(language)}-${showPath(version)} runtime is unknown`);
  const files = contents.map((one, index) => named(one, index, runtime));
  const names = new Set<string>();
  for (const [index, { name }] of files.entries()) {
    if (names.has(name)) throw new Mistake(`files[${index}].name is given twice`);
    names.add(name);
  }
  const main = files.find(({ isText }) => isText);
  if (main === undefined) throw new Mistake("files must include at least one utf8 encoded file");
  return { runtime, job: jobOf(fields, runtime, files, main, ceilings) };
}

function jobOf(
  fields: Fields,
  runtime: Runtime,
  files: readonly File[],
  main: File,
  ceilings: Ceilings,
): CodeJob {
  const { isCompiled } = runtime;
  const args = fields.get("args") ?? [];
  const cpuMs = sum(fields, "cpu_time", isCompiled, undefined, JOB_LIMITS.cpuSeconds.most * 1000);
  const mostMs = Math.min(PISTON_LIMITS.timeoutMost, ceilings.timeoutSeconds * 1000);
  const timeoutMs = sum(fields, "timeout", isCompiled, PISTON_LIMITS.timeoutUsual, mostMs) ?? 0;
  return {
    files: Object.fromEntries(files.map(({ name, content }) => [name, content])),
    entrypoint: main.name,
    interpreter: runtime.interpreter,
    // Checked by the API, whatever it is.
    args: args as readonly string[],
    stdin: stdinOf(fields.get("stdin")),
    // Nobody can ask for files here, so none are kept.
    outputs: [],
    timeout: clamp(timeoutMs / 1000, 1, ceilings.timeoutSeconds),
    memory_mb: memoryMb(fields, isCompiled, ceilings.memoryMb),
    ...(cpuMs === undefined
      ? {}
      : { cpu_seconds: clamp(cpuMs / 1000, 1, JOB_LIMITS.cpuSeconds.most) }),
  };
}

function fieldsOf(value: unknown): Fields | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return new Map<string, unknown>(Object.entries(value));
}

function requiredText(fields: Fields, name: string): string {
  const value = fields.get(name);
  if (typeof value === "string" && value !== "") return value;
  throw new Mistake(`${name} is required as a string`);
}

interface Content {
  readonly name: unknown;
  readonly content: File["content"];
  readonly isText: boolean;
}

function contentOf(entry: unknown, index: number): Content {
  const fields = fieldsOf(entry);
  const content = fields?.get("content");
  if (typeof content !== "string")
    throw new Mistake(`files[${index}].content is required as a string`);
  const name = fields?.get("name");
  switch (fields?.get("encoding")) {
    case "base64":
      return { name, content: { base64: content }, isText: false };
    case "hex":
      return { name, content: { base64: fromHex(content, index) }, isText: false };
    default:
      return { name, content, isText: true };
  }
}

function fromHex(content: string, index: number): string {
  // Buffer.from would stop silently at what is no hex.
  if (content.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(content))
    throw new Mistake(`files[${index}].content is not hex`);
  return Buffer.from(content, "hex").toString("base64");
}

function named({ name, content, isText }: Content, index: number, { extension }: Runtime): File {
  if (name === undefined || name === null || name === "")
    return { name: `file${index}${isText ? extension : ".code"}`, content, isText };
  if (typeof name !== "string") throw new Mistake(`files[${index}].name must be a string`);
  return { name, content, isText };
}

/** Programs that read a line find its end, as with Piston. */
function stdinOf(stdin: unknown): string {
  if (stdin === undefined || stdin === null) return "\n";
  if (typeof stdin !== "string") throw new Mistake("stdin must be a string");
  return stdin.endsWith("\n") ? stdin : `${stdin}\n`;
}

/**
 * A limit of the stages that there are: one box compiles and runs, so it gets what both may use.
 * @returns undefined when nothing is said and nothing is usual
 */
function sum(
  fields: Fields,
  kind: "timeout" | "cpu_time",
  isCompiled: boolean,
  usual: { readonly compile: number; readonly run: number } | undefined,
  most: number,
): number | undefined {
  const stages = isCompiled ? (["compile", "run"] as const) : (["run"] as const);
  const values = stages.map((stage) => limitOf(fields, `${stage}_${kind}`, most) ?? usual?.[stage]);
  const given = values.filter((value) => value !== undefined);
  return given.length < values.length ? undefined : given.reduce((all, one) => all + one, 0);
}

/** In MiB, of the stage that may have more. */
function memoryMb(fields: Fields, isCompiled: boolean, mostMb: number): number {
  const stages = isCompiled ? (["compile", "run"] as const) : (["run"] as const);
  const bytes = stages.map((stage) => limitOf(fields, `${stage}_memory_limit`, mostMb * MIB));
  const { least, usual } = JOB_LIMITS.memoryMb;
  const wanted = bytes.map((one) => (one === undefined ? usual : Math.ceil(one / MIB)));
  return clamp(Math.max(...wanted), least, mostMb);
}

/** Left out, null, 0 and (for memory) -1 all say nothing. */
function limitOf(fields: Fields, name: string, most: number): number | undefined {
  const value = fields.get(name);
  if (value === undefined || value === null || value === 0) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value))
    throw new Mistake(`If specified, ${name} must be a number`);
  if (value === -1 && name.endsWith("memory_limit")) return undefined;
  if (value < 0) throw new Mistake(`${name} must be non-negative`);
  if (value > most) throw new Mistake(`${name} cannot exceed the configured limit of ${most}`);
  return value;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
