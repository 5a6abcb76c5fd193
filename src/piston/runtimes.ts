/** What this machine offers, under the names that Piston's clients use. */
import type { InterpreterInfo } from "../core/offer.ts";
import { compareNewest, satisfies, semverOf } from "./versions.ts";

/** As `/api/v2/runtimes` lists it. */
export interface Listed {
  readonly language: string;
  readonly version: string;
  readonly aliases: readonly string[];
  readonly runtime?: string;
}

export interface Runtime extends Listed {
  /** Of ours. */
  readonly interpreter: string;
  /** For a main file without a name; some interpreters go by it. */
  readonly extension: string;
  readonly isCompiled: boolean;
}

interface Name {
  readonly language: string;
  readonly aliases?: readonly string[];
  readonly runtime?: string;
  readonly extension: string;
  readonly isCompiled?: boolean;
  /** Which versions can: a selector. All of them when left out. */
  readonly versions?: string;
}

const NAMES: Readonly<Record<string, readonly Name[]>> = {
  python3: [{ language: "python", aliases: ["py", "py3", "python3"], extension: ".py" }],
  node: [
    {
      language: "javascript",
      aliases: ["node-javascript", "node-js", "js", "node"],
      runtime: "node",
      extension: ".js",
    },
    {
      language: "typescript",
      aliases: ["node-typescript", "node-ts", "ts"],
      runtime: "node",
      extension: ".ts",
      // A host's own node, where boxes have none of ours, may be older.
      versions: ">=22.18.0",
    },
  ],
  deno: [
    { language: "javascript", aliases: ["deno-js"], runtime: "deno", extension: ".js" },
    { language: "typescript", aliases: ["deno-ts", "deno"], runtime: "deno", extension: ".ts" },
  ],
  bun: [
    { language: "javascript", aliases: ["bun-js", "bun"], runtime: "bun", extension: ".js" },
    { language: "typescript", aliases: ["bun-ts"], runtime: "bun", extension: ".ts" },
  ],
  bash: [{ language: "bash", aliases: ["sh"], extension: ".sh" }],
  ruby: [{ language: "ruby", aliases: ["ruby3", "rb"], extension: ".rb" }],
  perl: [{ language: "perl", aliases: ["pl"], extension: ".pl" }],
  php: [{ language: "php", aliases: ["php8"], extension: ".php" }],
  lua: [{ language: "lua", extension: ".lua" }],
  Rscript: [{ language: "rscript", aliases: ["r"], extension: ".r" }],
  java: [{ language: "java", extension: ".java" }],
  go: [{ language: "go", aliases: ["golang"], extension: ".go", isCompiled: true }],
  gcc: [{ language: "c", aliases: ["gcc"], runtime: "gcc", extension: ".c", isCompiled: true }],
  "g++": [
    {
      language: "c++",
      aliases: ["cpp", "g++"],
      runtime: "gcc",
      extension: ".cpp",
      isCompiled: true,
    },
  ],
  rustc: [{ language: "rust", aliases: ["rs"], extension: ".rs", isCompiled: true }],
};

/** An interpreter without a version that clients could compare (`sh`) is not among them. */
export function runtimesOf(interpreters: readonly InterpreterInfo[]): readonly Runtime[] {
  return interpreters.flatMap(({ name, version: raw }) => {
    const version = semverOf(raw);
    if (version === undefined || !Object.hasOwn(NAMES, name)) return [];
    const names = (NAMES[name] ?? []).filter(({ versions = "*" }) => satisfies(version, versions));
    return names.map(({ language, aliases = [], runtime, extension, isCompiled }) => ({
      language,
      version,
      aliases,
      ...(runtime === undefined ? {} : { runtime }),
      interpreter: name,
      extension,
      isCompiled: isCompiled ?? false,
    }));
  });
}

export function listed({ language, version, aliases, runtime }: Runtime): Listed {
  return { language, version, aliases, ...(runtime === undefined ? {} : { runtime }) };
}

/** The newest that matches; undefined when none does. */
export function findRuntime(
  runtimes: readonly Runtime[],
  language: string,
  selector: string,
): Runtime | undefined {
  return runtimes
    .filter((runtime) => runtime.language === language || runtime.aliases.includes(language))
    .filter(({ version }) => satisfies(version, selector))
    .sort((a, b) => compareNewest(a.version, b.version))[0];
}
