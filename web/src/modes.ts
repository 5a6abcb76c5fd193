/** Highlighting by interpreter, each grammar loaded when it is wanted. */
import { StreamLanguage, type StreamParser } from "@codemirror/language";
import type { Extension } from "@codemirror/state";

type Load = () => Promise<StreamParser<unknown>>;

const clike = () => import("@codemirror/legacy-modes/mode/clike");
const javascript = () => import("@codemirror/legacy-modes/mode/javascript");
const shell: Load = async () => (await import("@codemirror/legacy-modes/mode/shell")).shell;

const MODES: Readonly<Record<string, Load>> = {
  python3: async () => (await import("@codemirror/legacy-modes/mode/python")).python,
  node: async () => (await javascript()).javascript,
  deno: async () => (await javascript()).typescript,
  bun: async () => (await javascript()).typescript,
  bash: shell,
  sh: shell,
  ruby: async () => (await import("@codemirror/legacy-modes/mode/ruby")).ruby,
  perl: async () => (await import("@codemirror/legacy-modes/mode/perl")).perl,
  php: async () => phpLike(await clike()),
  lua: async () => (await import("@codemirror/legacy-modes/mode/lua")).lua,
  Rscript: async () => (await import("@codemirror/legacy-modes/mode/r")).r,
  go: async () => (await import("@codemirror/legacy-modes/mode/go")).go,
  gcc: async () => (await clike()).c,
  "g++": async () => (await clike()).cpp,
  rustc: async () => (await import("@codemirror/legacy-modes/mode/rust")).rust,
  java: async () => (await clike()).java,
  wasm: async () => (await import("@codemirror/legacy-modes/mode/wast")).wast,
};

/** Plain text for an interpreter that is not known here. */
export async function highlighting(interpreter: string): Promise<Extension> {
  const load = Object.hasOwn(MODES, interpreter) ? MODES[interpreter] : undefined;
  return load === undefined ? [] : StreamLanguage.define(await load());
}

/** There is no grammar of PHP here; it looks like C with dollars. */
function phpLike({ clike: grammar }: Awaited<ReturnType<typeof clike>>): StreamParser<unknown> {
  const words = (text: string) => Object.fromEntries(text.split(" ").map((word) => [word, true]));
  return grammar({
    name: "php",
    keywords: words(
      "abstract and array as break case catch class clone const continue declare default do echo else " +
        "elseif enum extends final finally fn for foreach function global goto if implements " +
        "instanceof interface match namespace new or print private protected public readonly " +
        "require require_once return static switch throw trait try use var while xor yield",
    ),
    blockKeywords: words("catch class do else elseif for foreach if switch try while finally"),
    atoms: words("true false null TRUE FALSE NULL"),
    multiLineStrings: true,
    hooks: {
      $: (stream: { eatWhile(pattern: RegExp): boolean }) => {
        stream.eatWhile(/[\w$]/);
        return "variable";
      },
      "#": (stream: { skipToEnd(): void }) => {
        stream.skipToEnd();
        return "comment";
      },
    },
  });
}
