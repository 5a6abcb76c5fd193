/** From a tool's arguments to a job of the API. */
import type { CodeJob } from "../client/jobs.ts";
import { Refusal } from "../core/errors.ts";
import { MCP_LIMITS } from "../core/limits.ts";
import { showPath } from "../core/paths.ts";
import type { JobFields } from "./schemas.ts";

type FileEntry = NonNullable<JobFields["files"]>[number];

/**
 * Field by field, so that nothing else in the arguments reaches the API.
 * @throws Refusal for a path that stands twice
 */
export function jobOf(fields: JobFields): CodeJob {
  const { files, interpreter, args, stdin, env, cpu_seconds, memory_mb, environment, outputs } =
    fields;
  return definedOnly({
    code: "code" in fields ? fields.code : undefined,
    files: files === undefined ? undefined : filesOf(files),
    entrypoint: "entrypoint" in fields ? fields.entrypoint : undefined,
    interpreter,
    args,
    stdin,
    env,
    timeout: fields.timeout ?? MCP_LIMITS.timeoutSeconds,
    cpu_seconds,
    memory_mb,
    environment,
    outputs,
  });
}

function filesOf(entries: readonly FileEntry[]): NonNullable<CodeJob["files"]> {
  const names = new Set<string>();
  for (const { path } of entries) {
    if (names.has(path)) throw new Refusal("bad_path", `"${showPath(path)}" is given twice`);
    names.add(path);
  }
  // fromEntries makes plain properties of all names, `__proto__` too.
  return Object.fromEntries(
    entries.map(({ path, content, encoding }) => [
      path,
      encoding === "base64" ? { base64: content } : content,
    ]),
  );
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function definedOnly<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
