/**
 * The manifest's JSON form, field by field: one schema that validates and that OpenAPI is
 * made from.
 */
import * as v from "valibot";
import { Refusal } from "./errors.ts";
import { compileGlobs } from "./globs.ts";
import { findLanguage } from "./languages.ts";
import { JOB_LIMITS, MANIFEST_LIMITS } from "./limits.ts";
import { checkPath, showPath, utf8Length } from "./paths.ts";

/** Fields of the API that are not built yet: refused with their name, never ignored. */
const UNSUPPORTED: readonly string[] = ["encrypt_to"];

export function unsupportedField(name: string): boolean {
  return UNSUPPORTED.includes(name);
}

/** Longest name of an interpreter or environment. */
const NAME_CHARACTERS = 64;

/** Text that can become an argument or a variable of a process: UTF-8 without NUL. */
function processText() {
  return v.pipe(
    v.string("must be a text"),
    v.check((text) => text.isWellFormed(), "is not valid Unicode"),
    v.check((text) => !text.includes("\0"), "has a NUL character"),
  );
}

function nameText() {
  const length = `must have 1 to ${NAME_CHARACTERS} characters`;
  return v.pipe(
    v.string("must be a text"),
    v.minLength(1, length),
    v.maxLength(NAME_CHARACTERS, length),
  );
}

function numberIn(range: { readonly least: number; readonly most: number }) {
  const bounds = `must be between ${range.least} and ${range.most}`;
  return v.pipe(
    v.number("must be a number"),
    v.finite(bounds),
    v.minValue(range.least, bounds),
    v.maxValue(range.most, bounds),
  );
}

function totalBytes(texts: Iterable<string>): number {
  let bytes = 0;
  // The NUL that ends each of them counts too.
  for (const text of texts) bytes += utf8Length(text) + 1;
  return bytes;
}

const argsField = v.pipe(
  v.array(processText(), "must be a list of texts"),
  v.maxLength(MANIFEST_LIMITS.args, `has more than ${MANIFEST_LIMITS.args} items`),
  v.check(
    (args) => totalBytes(args) <= MANIFEST_LIMITS.argsBytes,
    `is larger than ${MANIFEST_LIMITS.argsBytes} bytes`,
  ),
);

const envValue = processText();

const envField = v.record(
  v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "is no name of a variable")),
  envValue,
  "must be an object of texts",
);

const stdinField = v.pipe(
  v.string("must be a text"),
  v.check((text) => text.isWellFormed(), "is not valid Unicode"),
  v.check(
    (text) => utf8Length(text) <= MANIFEST_LIMITS.stdinBytes,
    `is larger than ${MANIFEST_LIMITS.stdinBytes} bytes`,
  ),
);

const outputsField = v.pipe(
  v.array(v.string("must be a text"), "must be a list of texts"),
  v.maxLength(MANIFEST_LIMITS.globs, `has more than ${MANIFEST_LIMITS.globs} items`),
);

const nonceField = v.pipe(
  v.string("must be a text"),
  v.check((text) => text.isWellFormed(), "is not valid Unicode"),
  v.maxLength(
    MANIFEST_LIMITS.nonceCharacters,
    `has more than ${MANIFEST_LIMITS.nonceCharacters} characters`,
  ),
);

function described<const S extends v.GenericSchema>(schema: S, text: string) {
  return v.optional(v.pipe(schema, v.description(text)));
}

/** The fields as entries of a valibot object, for schemas that hold more than a manifest. */
export const MANIFEST_ENTRIES = {
  entrypoint: described(
    v.string("must be a text"),
    "Path of the file to run. Left out: the only file, or the only main.* at the top.",
  ),
  interpreter: described(
    nameText(),
    "Left out: by the file's ending, then by its #! line. See /environments.",
  ),
  args: described(argsField, "Arguments of the program."),
  env: described(envField, "Environment variables of the program."),
  stdin: described(stdinField, "What the program reads from its standard input."),
  outputs: described(
    outputsField,
    "Patterns (* ? [a-z] ** {a,b}) of the files to give back; a trailing / takes everything " +
      "below. Left out: every file that the job made or changed.",
  ),
  timeout: described(numberIn(JOB_LIMITS.timeoutSeconds), "Seconds of time, 300 by default."),
  memory_mb: described(
    v.pipe(numberIn(JOB_LIMITS.memoryMb), v.integer("must be a whole number")),
    "MiB of memory, 512 by default.",
  ),
  cpu_seconds: described(numberIn(JOB_LIMITS.cpuSeconds), "Seconds of CPU time."),
  environment: described(nameText(), "A prepared environment. See /environments."),
  nonce: described(nonceField, "Comes back unchanged; marks the job as this one."),
  tty: described(
    v.boolean("must be true or false"),
    "One pseudo-terminal in place of pipes: all that is printed comes as stdout.",
  ),
  interactive: described(
    v.boolean("must be true or false"),
    "Standard input stays open after `stdin`: more is sent over a WebSocket while the job runs. " +
      "For /submit.",
  ),
};

export const MANIFEST_SCHEMA = v.strictObject(MANIFEST_ENTRIES, "must be an object");

export type ManifestFields = v.InferOutput<typeof MANIFEST_SCHEMA>;

function refuse(details: string): never {
  throw new Refusal("bad_manifest", details);
}

/** `outputs[2]`, `env.HOME`: where in the manifest an issue lies. */
function placeOf(issue: v.BaseIssue<unknown>): string {
  const place = (issue.path ?? [])
    .map(({ key }) => (typeof key === "number" ? `[${key}]` : `.${showPath(String(key))}`))
    .join("");
  return place === "" ? "manifest" : place.slice(1);
}

function refuseIssue(issue: v.BaseIssue<unknown>): never {
  const unknownField = issue.type === "strict_object" && issue.expected === "never";
  refuse(`${placeOf(issue)}: ${unknownField ? "there is no such field" : issue.message}`);
}

/** Takes out fields that are not built yet and that ask for nothing. */
function withoutUnsupported(json: object): object {
  const entries = Object.entries(json).filter(([name, value]) => {
    if (!unsupportedField(name)) return true;
    if (value === false || value === undefined) return false;
    throw new Refusal("unsupported", name);
  });
  return Object.fromEntries(entries);
}

/**
 * Variables as plain own properties. valibot's record silently leaves out names such as
 * `constructor`, so the values are taken, and checked, from the caller's own object.
 */
function checkEnv(env: object): Readonly<Record<string, string>> {
  const entries = Object.entries(env);
  if (entries.length > MANIFEST_LIMITS.envVariables) {
    refuse(`env: has more than ${MANIFEST_LIMITS.envVariables} variables`);
  }
  for (const [name, value] of entries) {
    const [issue] = v.safeParse(envValue, value).issues ?? [];
    if (issue !== undefined) refuse(`env.${showPath(name)}: ${issue.message}`);
  }
  if (totalBytes(entries.flat()) > MANIFEST_LIMITS.envBytes) {
    refuse(`env: is larger than ${MANIFEST_LIMITS.envBytes} bytes`);
  }
  return Object.fromEntries(entries);
}

/** What an unknown interpreter is told: the names there are. */
export function refuseInterpreter(name: string, available: readonly string[]): never {
  throw new Refusal(
    "unknown_interpreter",
    `interpreter: "${showPath(name)}"; available: ${[...available].sort().join(", ")}`,
  );
}

/**
 * The fields of a manifest, each valid by itself; the interpreter's alias made canonical,
 * the entrypoint's path normalised.
 * @throws Refusal, naming the field.
 */
export function checkFields(json: unknown): ManifestFields {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    refuse("manifest: must be an object");
  }
  const known = withoutUnsupported(json);
  // valibot takes a list for an object without entries.
  if ("env" in known && Array.isArray(known.env)) refuse("env: must be an object of texts");
  const result = v.safeParse(MANIFEST_SCHEMA, known, { abortEarly: true });
  if (!result.success) refuseIssue(result.issues[0]);
  const { output } = result;
  if (output.outputs !== undefined) compileGlobs(output.outputs);
  const env = "env" in known && known.env !== undefined ? checkEnv(Object(known.env)) : {};
  return { ...output, env, ...canonicalNames(output) };
}

function canonicalNames({ entrypoint, interpreter }: ManifestFields) {
  // A name that we do not know is refused where it is known what there is instead.
  const known = interpreter === undefined ? undefined : findLanguage(interpreter)?.name;
  return {
    entrypoint: entrypoint === undefined ? undefined : checkPath(entrypoint),
    interpreter: known ?? interpreter,
  };
}
