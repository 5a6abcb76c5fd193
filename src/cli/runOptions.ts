/** From options to the fields of a manifest, for `run` and `submit`. */
import type { ManifestFields } from "../client/jobs.ts";
import type { Parsed } from "./usage.ts";
import { all, one, UsageError } from "./usage.ts";

/** `--environment NAME` or, for a box on this machine, `NAME=DIR`. */
export interface EnvironmentChoice {
  readonly name: string;
  readonly directory: string | undefined;
}

/** @throws UsageError */
export function environmentChoice(parsed: Parsed): EnvironmentChoice | undefined {
  const given = one(parsed, "environment");
  if (given === undefined) return undefined;
  const equals = given.indexOf("=");
  if (equals < 0) return { name: given, directory: undefined };
  const directory = given.slice(equals + 1);
  if (directory === "") throw new UsageError("--environment NAME=DIR needs the directory");
  return { name: given.slice(0, equals), directory };
}

/**
 * The fields of the manifest that options set; ranges are the manifest's own business.
 * @param fromFile the fields of a job.json, which options override; `env` is merged by name
 * @throws UsageError
 */
export function manifestFields(
  parsed: Parsed,
  args: readonly string[],
  fromFile: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): Readonly<Record<string, unknown>> {
  const outputs = all(parsed, "outputs");
  const variables = all(parsed, "env").map((word) => variable(word, env));
  const fileEnv = fromFile["env"];
  const given: Record<keyof ManifestFields & string, unknown> | object = {
    ...set("interpreter", one(parsed, "lang")),
    ...set("timeout", seconds(parsed, "timeout")),
    ...set("cpu_seconds", seconds(parsed, "cpu")),
    ...set("memory_mb", memoryMb(parsed)),
    ...set("environment", environmentChoice(parsed)?.name),
    ...(args.length === 0 ? {} : { args }),
    ...(outputs.length === 0 ? {} : { outputs }),
    ...(variables.length === 0
      ? {}
      : { env: { ...(isRecord(fileEnv) ? fileEnv : {}), ...Object.fromEntries(variables) } }),
  };
  return { ...fromFile, ...given };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function set(field: string, value: unknown): object {
  return value === undefined ? {} : { [field]: value };
}

function seconds(parsed: Parsed, name: string): number | undefined {
  const given = one(parsed, name);
  if (given === undefined) return undefined;
  const digits = /^(\d+(?:\.\d+)?)s?$/.exec(given)?.[1];
  if (digits === undefined) throw new UsageError(`--${name} takes seconds, such as 30`);
  return Number(digits);
}

/** MiB; a bare number is MiB too, as `memory_mb` in a manifest. */
function memoryMb(parsed: Parsed): number | undefined {
  const given = one(parsed, "memory");
  if (given === undefined) return undefined;
  const [, digits, unit] = /^(\d+)(m|mb|mib|g|gb|gib)?$/i.exec(given) ?? [];
  if (digits === undefined) throw new UsageError("--memory takes a size such as 512M or 1G");
  return Number(digits) * (unit?.toLowerCase().startsWith("g") ? 1024 : 1);
}

function variable(word: string, env: NodeJS.ProcessEnv): [string, string] {
  const equals = word.indexOf("=");
  if (equals > 0) return [word.slice(0, equals), word.slice(equals + 1)];
  if (equals === 0) throw new UsageError("--env takes NAME=VALUE or NAME");
  const value = env[word];
  if (value === undefined) throw new UsageError(`--env ${word}: there is no such variable here`);
  return [word, value];
}
