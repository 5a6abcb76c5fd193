/**
 * The settings file: which server to use when none is named.
 *
 * `$SANDRUN_CONFIG`, else `$XDG_CONFIG_HOME/sandrun/config.json`, else
 * `~/.config/sandrun/config.json`: a JSON object with `server` and, for a self-signed certificate,
 * `fingerprint`. A file that cannot be understood is refused whole: code must not go to another
 * place than its author thinks because of a slip in a name.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Io } from "./io.ts";
import { isRecord } from "./runOptions.ts";
import { UsageError } from "./usage.ts";

export interface Settings {
  readonly server?: string;
  /** Of that server's certificate, and of no other's. */
  readonly fingerprint?: string;
}

const FIELDS = ["server", "fingerprint"] as const;

/** @throws UsageError when there is a file that cannot be used */
export async function readSettings(env: Io["env"]): Promise<Settings> {
  const path = settingsPath(env);
  if (path === undefined) return {};
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    const isMissing = error.code === "ENOENT" || error.code === "ENOTDIR";
    // A file that was named must be there.
    if (isMissing && !isGiven(env["SANDRUN_CONFIG"])) return undefined;
    throw new UsageError(`cannot read ${path}: ${error.code ?? "it failed"}`, { cause: error });
  });
  return text === undefined ? {} : parseSettings(text, path);
}

function settingsPath(env: Io["env"]): string | undefined {
  const { SANDRUN_CONFIG: own, XDG_CONFIG_HOME: base, HOME: home } = env;
  if (isGiven(own)) return own;
  if (isGiven(base)) return join(base, "sandrun", "config.json");
  return isGiven(home) ? join(home, ".config", "sandrun", "config.json") : undefined;
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

function parseSettings(text: string, path: string): Settings {
  const settings: { server?: string; fingerprint?: string } = {};
  for (const [field, value] of Object.entries(parseObject(text, path))) {
    const known = FIELDS.find((name) => name === field);
    if (known === undefined)
      throw new UsageError(`${path} may have ${FIELDS.join(" and ")}, not ${field}`);
    if (typeof value !== "string") throw new UsageError(`${path}: ${field} is not a text`);
    settings[known] = value;
  }
  if (settings.fingerprint !== undefined && settings.server === undefined)
    throw new UsageError(`${path}: a fingerprint belongs to a server`);
  return settings;
}

function parseObject(text: string, path: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${path} is not JSON`, { cause });
  }
  if (!isRecord(parsed)) throw new UsageError(`${path} is not a JSON object`);
  return parsed;
}
