/**
 * What the tools take and give, once: checked at run time and told to clients as JSON Schema.
 * Fields of a job are only described here; what they may be the API checks for everybody.
 */
import type { StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import { toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { JOB_LIMITS, MCP_LIMITS, TRANSFER_LIMITS } from "../core/limits.ts";
import { showPath } from "../core/paths.ts";

function described<const S extends v.GenericSchema>(schema: S, text: string) {
  return v.pipe(schema, v.description(text));
}

const text = v.string("must be a text");
const amount = v.number("must be a number");

const fileEntry = v.strictObject(
  {
    path: described(text, "Relative path, such as src/util.py."),
    content: described(text, "The file's text, or its bytes in base64."),
    encoding: v.optional(
      described(v.picklist(["utf8", "base64"], "must be utf8 or base64"), "utf8 when left out."),
    ),
  },
  "must be an object with path and content",
);

const files = v.pipe(
  v.array(fileEntry, "must be a list of files"),
  v.maxLength(TRANSFER_LIMITS.inputFiles, `has more than ${TRANSFER_LIMITS.inputFiles} files`),
);

const { timeoutSeconds, memoryMb, cpuSeconds } = JOB_LIMITS;

/** Beside the code, in both tools that run something. */
const JOB_ENTRIES = {
  args: v.optional(described(v.array(text, "must be a list of texts"), "Arguments.")),
  stdin: v.optional(described(text, "What the program reads from its standard input.")),
  env: v.optional(
    described(v.record(v.string(), text, "must be an object of texts"), "Environment variables."),
  ),
  timeout: v.optional(
    described(
      amount,
      `Seconds, ${timeoutSeconds.least} to ${timeoutSeconds.most}; ${MCP_LIMITS.timeoutSeconds} when left out.`,
    ),
  ),
  cpu_seconds: v.optional(
    described(amount, `Seconds of CPU time, ${cpuSeconds.least} to ${cpuSeconds.most}.`),
  ),
  memory_mb: v.optional(
    described(
      amount,
      `MiB, ${memoryMb.least} to ${memoryMb.most}; ${memoryMb.usual} when left out. Files that the program writes count.`,
    ),
  ),
  environment: v.optional(
    described(text, "A prepared environment with packages; list_interpreters names them."),
  ),
  outputs: v.optional(
    described(
      v.array(text, "must be a list of texts"),
      'Which files to keep, such as "results/" or "*.png"; all that are new or changed when left out.',
    ),
  ),
};

const object = "must be an object";

export const runCodeInput = v.strictObject(
  {
    code: described(text, "The program."),
    interpreter: v.optional(
      described(text, "python3 when left out; node, bash and others: list_interpreters."),
    ),
    files: v.optional(described(files, "Files beside the program, in its working directory.")),
    ...JOB_ENTRIES,
  },
  object,
);

export const runProjectInput = v.strictObject(
  {
    files: described(files, "All files of the project."),
    entrypoint: v.optional(
      described(text, "Path of the file to run. Left out: the only file, or the only main.*."),
    ),
    interpreter: v.optional(
      described(text, "Left out: by the entrypoint's ending, then by its #! line."),
    ),
    ...JOB_ENTRIES,
  },
  object,
);

export const readOutputInput = v.strictObject(
  {
    job_id: described(text, "From the result of run_code or run_project."),
    path: v.optional(described(text, "Of an output file.")),
    stream: v.optional(
      described(
        v.picklist(["stdout", "stderr"], "must be stdout or stderr"),
        "Instead of a path: what the program printed.",
      ),
    ),
    offset: v.optional(
      described(
        v.pipe(amount, v.integer("must be whole"), v.minValue(0, "must not be negative")),
        "Byte to begin at; 0 when left out.",
      ),
    ),
  },
  object,
);

export const nothingInput = v.strictObject({}, object);

const printed = v.strictObject({
  text: described(v.string(), "Its beginning, and its end when something was left out."),
  left_out: described(v.number(), "Characters that are left out between head and tail."),
  cut: described(v.boolean(), "True when the program printed more than is kept at all."),
});

const shownFile = v.strictObject({
  path: v.string(),
  size: v.number(),
  sha256: v.string(),
  uri: v.string(),
});

export const runResult = v.strictObject({
  job_id: described(v.string(), "For read_output."),
  succeeded: v.boolean(),
  outcome: described(v.string(), "How it ended, in words."),
  kind: described(v.string(), "exited, signalled, timed_out, cpu_limit, out_of_memory, …"),
  exit_code: v.optional(v.number()),
  signal: v.optional(v.string()),
  stdout: printed,
  stderr: printed,
  cpu_seconds: v.optional(v.number()),
  memory_mb: v.optional(v.number()),
  wall_seconds: v.optional(v.number()),
  files: v.array(shownFile),
  files_total: v.number(),
});

export const readResult = v.strictObject({
  name: v.string(),
  kind: v.picklist(["text", "image", "binary"]),
  offset: v.number(),
  bytes: described(v.number(), "In this piece."),
  more: described(v.boolean(), "Read on at offset + bytes."),
});

export type JobFields = v.InferOutput<typeof runCodeInput> | v.InferOutput<typeof runProjectInput>;
export type RunResultContent = v.InferOutput<typeof runResult>;

/** `files[3].path`: where in the arguments an issue lies. */
function placeIn(issue: v.BaseIssue<unknown>): string {
  const place = (issue.path ?? [])
    .map(({ key }) => (typeof key === "number" ? `[${key}]` : `.${showPath(String(key))}`))
    .join("");
  return place === "" ? "arguments" : place.slice(1);
}

function messageOf(issue: v.BaseIssue<unknown>): string {
  if (issue.type !== "strict_object") return issue.message;
  // The library's own sentence quotes what it was given, all of it.
  if (issue.expected === "never") return "there is no such field";
  return issue.received === "undefined" ? "is missing" : issue.message;
}

/**
 * A schema in the form that the protocol's library takes. Its refusals name the field and never
 * quote what a caller sent; what passed is handed on as it came, since valibot's copy leaves out
 * names such as `constructor`.
 */
export function standard<const S extends v.GenericSchema>(
  schema: S,
): StandardSchemaWithJSON<v.InferInput<S>, v.InferOutput<S>> {
  const json = () => {
    const { $schema: _, ...rest } = toJsonSchema(schema, { errorMode: "ignore" });
    return rest as Record<string, unknown>;
  };
  return {
    "~standard": {
      version: 1 as const,
      vendor: "sandrun",
      validate: (value: unknown) => {
        const [issue] = v.safeParse(schema, value, { abortEarly: true }).issues ?? [];
        if (issue === undefined) return { value: value as v.InferOutput<S> };
        return { issues: [{ message: `${placeIn(issue)}: ${messageOf(issue)}` }] };
      },
      jsonSchema: { input: json, output: json },
    },
  };
}
