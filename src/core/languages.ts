/**
 * The languages that a job can be written in, and the command that runs a file of each.
 * Commands run inside a box, in /work; a program is looked up on the box's own PATH.
 */

/** Program that compiles; the file it makes lies outside /work and so is no output of the job. */
const COMPILED = "/tmp/program";

export interface Language {
  /** Canonical name, as in `interpreter`. */
  readonly name: string;
  readonly aliases: readonly string[];
  /** File endings that choose it, with the dot, in lower case. */
  readonly extensions: readonly string[];
  /** Names of programs in a `#!` line that choose it; versions such as `3.11` are left off. */
  readonly shebangs: readonly string[];
  /** What must be on the box's PATH. */
  readonly program: string;
  /** Arguments with which `program` tells its version. */
  readonly versionArguments: readonly string[];
  /** The version in what that printed (stdout and stderr), undefined when it is not there. */
  readonly version: (printed: string) => string | undefined;
  /**
   * What to run, cwd /work: a program and its arguments. `entrypoint` is a checked path,
   * `memoryMb` what the job may use.
   */
  readonly command: (
    entrypoint: string,
    args: readonly string[],
    memoryMb: number,
  ) => readonly string[];
}

interface Row {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly extensions?: readonly string[];
  readonly shebangs?: readonly string[];
  readonly program?: string;
  readonly versionArguments?: readonly string[];
  readonly version?: RegExp;
  readonly command?: Language["command"];
  /** Options between the program and the file. */
  readonly options?: readonly string[];
  /** Shell words that compile "$1" to COMPILED. */
  readonly compile?: string;
}

/** `-x.py` is a legal file name; as an argument it must not become an option. */
function asOperand(entrypoint: string): string {
  return entrypoint.startsWith("-") ? `./${entrypoint}` : entrypoint;
}

/**
 * Compiles the entrypoint alone, then becomes the program. A failed compilation ends with the
 * compiler's own exit status. Names and arguments are positional parameters, never part of the
 * script; `./` keeps the name from being an option or a compiler's `@file`.
 */
function compileAndRun(compile: string): Language["command"] {
  const script = `${compile} || exit; shift; exec ${COMPILED} "$@"`;
  return (entrypoint, args) => ["sh", "-c", script, "sh", `./${entrypoint}`, ...args];
}

function commandOf(row: Row, program: string): Language["command"] {
  if (row.command !== undefined) return row.command;
  if (row.compile !== undefined) return compileAndRun(row.compile);
  return (entrypoint, args) => [program, ...(row.options ?? []), asOperand(entrypoint), ...args];
}

/** Longest output of a version call that is looked at. */
const VERSION_CHARACTERS = 1000;

function makeLanguage(row: Row): Language {
  const program = row.program ?? row.name;
  const pattern = row.version ?? /(\d+(?:\.\d+)+)/;
  return {
    name: row.name,
    aliases: row.aliases ?? [],
    extensions: row.extensions ?? [],
    shebangs: row.shebangs ?? [program],
    program,
    versionArguments: row.versionArguments ?? ["--version"],
    version: (printed) => pattern.exec(printed.slice(0, VERSION_CHARACTERS))?.[1],
    command: commandOf(row, program),
  };
}

/** Of the job's memory; the rest is for code, threads and the compiler. */
const JAVA_HEAP_PERCENT = 60;

function javaCommand(
  entrypoint: string,
  args: readonly string[],
  memoryMb: number,
): readonly string[] {
  // It asks the kernel for the machine's memory and would collect no garbage before the job is
  // out of its own.
  const heap = [`-XX:MaxRAM=${memoryMb}m`, `-XX:MaxRAMPercentage=${JAVA_HEAP_PERCENT}`];
  const jar = entrypoint.endsWith(".jar") ? ["-jar"] : [];
  // `java Main.java` compiles in memory; a leading `@` would be an argument file.
  return ["java", ...heap, ...jar, `./${entrypoint}`, ...args];
}

const ROWS: readonly Row[] = [
  {
    name: "python3",
    aliases: ["python", "py"],
    extensions: [".py"],
    shebangs: ["python3", "python"],
  },
  {
    // From 22.18 on node runs TypeScript by leaving the types out.
    name: "node",
    aliases: ["javascript", "js"],
    extensions: [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"],
    shebangs: ["node", "nodejs"],
  },
  { name: "bash", extensions: [".bash"] },
  {
    // Shells such as dash know no version; what they promise is POSIX.
    name: "sh",
    extensions: [".sh"],
    shebangs: ["sh", "dash"],
    versionArguments: ["-c", 'test -n "$BASH_VERSION" && echo "$BASH_VERSION" || echo POSIX'],
    version: /(\d+(?:\.\d+)+|POSIX)/,
  },
  { name: "ruby", aliases: ["rb"], extensions: [".rb"], shebangs: ["ruby", "ruby3"] },
  {
    name: "perl",
    aliases: ["pl"],
    extensions: [".pl"],
    shebangs: ["perl", "perl5"],
    version: /\(v(\d+(?:\.\d+)+)/,
  },
  { name: "php", extensions: [".php"], shebangs: ["php", "php8"] },
  { name: "lua", extensions: [".lua"], shebangs: ["lua", "lua5"], versionArguments: ["-v"] },
  { name: "Rscript", aliases: ["r"], extensions: [".r"] },
  { name: "deno", options: ["run", "--allow-all"] },
  {
    name: "bun",
    // With a bare name bun would prefer a script of package.json.
    command: (entrypoint, args) => ["bun", "run", `./${entrypoint}`, ...args],
  },
  {
    name: "go",
    aliases: ["golang"],
    extensions: [".go"],
    shebangs: [],
    versionArguments: ["version"],
    version: /go(\d+(?:\.\d+)*)/,
    compile: `GOCACHE=/tmp/go-cache CGO_ENABLED=0 go build -o ${COMPILED} "$1"`,
  },
  {
    name: "gcc",
    aliases: ["c"],
    extensions: [".c"],
    shebangs: [],
    versionArguments: ["-dumpfullversion"],
    compile: `gcc -O2 -pipe -pthread -o ${COMPILED} -x c "$1" -lm`,
  },
  {
    name: "g++",
    aliases: ["cpp", "c++"],
    extensions: [".cpp", ".cc", ".cxx"],
    shebangs: [],
    versionArguments: ["-dumpfullversion"],
    compile: `g++ -O2 -pipe -pthread -o ${COMPILED} -x c++ "$1" -lm`,
  },
  {
    name: "rustc",
    aliases: ["rust", "rs"],
    extensions: [".rs"],
    shebangs: [],
    // The crate's name would come from the file's, which may be no identifier.
    compile: `rustc -O --edition 2021 --crate-name program -o ${COMPILED} "$1"`,
  },
  {
    name: "java",
    extensions: [".java", ".jar"],
    version: /(\d+(?:\.\d+)*)/,
    command: javaCommand,
  },
];

/**
 * Every language known, whether or not this machine has it. Of several source files in an
 * upload a compiled language compiles the entrypoint only (it may include the others).
 */
export const LANGUAGES: readonly Language[] = ROWS.map(makeLanguage);

const BY_NAME: ReadonlyMap<string, Language> = new Map(
  LANGUAGES.map((language) => [language.name, language]),
);

function languageCalled(lower: string): Language | undefined {
  return LANGUAGES.find(
    ({ name, aliases }) => name.toLowerCase() === lower || aliases.includes(lower),
  );
}

/**
 * The language of that canonical name or alias.
 * @param available canonical names; undefined = every language known.
 */
export function findLanguage(name: string, available?: readonly string[]): Language | undefined {
  const found = BY_NAME.get(name) ?? languageCalled(name.toLowerCase());
  if (found === undefined) return undefined;
  return available === undefined || available.includes(found.name) ? found : undefined;
}

/** The program in a `#!` line, without folder, `env` and version: `python3.11` → `python3`. */
function shebangProgram(firstLine: string): string | undefined {
  if (!firstLine.startsWith("#!")) return undefined;
  const words = firstLine
    .slice(2)
    .trim()
    .split(/[ \t]+/);
  const nameOf = (word: string | undefined) => word?.slice(word.lastIndexOf("/") + 1);
  const first = nameOf(words[0]);
  const program =
    first === "env" ? nameOf(words.slice(1).find((word) => !/^-|=/.test(word))) : first;
  return program?.replace(/(\d)(?:\.\d+)+$/, "$1");
}

/**
 * The language of a file: by its ending, else by its `#!` line.
 * @param firstLine the file's first line; its end may be cut off.
 * @param available canonical names; undefined = every language known.
 */
export function languageOfFile(
  path: string,
  firstLine: string,
  available?: readonly string[],
): Language | undefined {
  const candidates = LANGUAGES.filter(({ name }) => available?.includes(name) ?? true);
  const baseName = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const byEnding = candidates.find(({ extensions }) =>
    extensions.some((ending) => baseName.endsWith(ending) && baseName !== ending),
  );
  if (byEnding !== undefined) return byEnding;
  const program = shebangProgram(firstLine);
  if (program === undefined) return undefined;
  return candidates.find(({ shebangs }) => shebangs.includes(program));
}
