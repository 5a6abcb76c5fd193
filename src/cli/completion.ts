/** `sandrun completion bash|zsh|fish`: a script made from the tables that the parser uses. */
import { LANGUAGES } from "../core/languages.ts";
import { type Grammar, SHELLS } from "./completionScripts.ts";
import { PAGES } from "./help.ts";
import type { Command, Io } from "./io.ts";
import { put } from "./io.ts";
import { RUN_OPTIONS } from "./tables.ts";
import { type OptionSpec, parseOptions, UsageError } from "./usage.ts";

export const completion: Command = async (argv, io) => {
  const { rest } = parseOptions([], argv, false);
  const [shell = "", ...more] = rest;
  const script = SHELLS.get(shell);
  if (script === undefined || more.length > 0)
    throw new UsageError("say for which shell: sandrun completion bash, zsh or fish");
  await put(io.stdout, script(await grammar(io)));
  return 0;
};

async function grammar(io: Io): Promise<Grammar> {
  const pages = [...PAGES].map(([name, { usage, about, options }]) => ({
    name,
    about: firstSentence(about),
    options,
    operand: usage.includes("FILE|DIR") ? ("file" as const) : ("word" as const),
  }));
  const serve = serveOptions(await (await io.loadBackend()).serveHelp());
  return {
    run: RUN_OPTIONS,
    commands: [
      ...pages,
      { name: "serve", about: "Serves the HTTP API", options: serve, operand: "word" },
      { name: "help", about: "The options of a command", options: [], operand: "word" },
    ],
    languages: LANGUAGES.map(({ name }) => name),
  };
}

/** The options of `serve` as its help lists them; they are the service's own business. */
function serveOptions(text: string): readonly OptionSpec[] {
  const lines = text.matchAll(/^ {2}--([a-z-]+)(?: <([^>]+)>)? +(\S.*)$/gm);
  return [...lines].map(([, name = "", value, help = ""]) => ({
    name,
    help,
    ...(value === undefined ? {} : { value }),
  }));
}

function firstSentence(text: string): string {
  return text.replaceAll("\n", " ").split(/[.,;:] /)[0] ?? "";
}
