/** Help pages, made from the tables that the parser uses. */
import type { Command, Io } from "./io.ts";
import { put } from "./io.ts";
import {
  CANCEL_OPTIONS,
  DOCTOR_OPTIONS,
  DOWNLOAD_OPTIONS,
  LOGS_OPTIONS,
  LOOK_OPTIONS,
  MCP_OPTIONS,
  RUN_OPTIONS,
  SUBMIT_OPTIONS,
} from "./tables.ts";
import type { OptionSpec } from "./usage.ts";
import { optionLines, UsageError } from "./usage.ts";

export interface Page {
  readonly usage: string;
  readonly about: string;
  readonly options: readonly OptionSpec[];
}

/** By command, in the order in which they are told. */
export const PAGES: ReadonlyMap<string, Page> = new Map([
  [
    "submit",
    {
      usage: "sandrun submit [OPTIONS] FILE|DIR|- [ARGS…]",
      about: "Queues a job on a server and prints its id, the only right to the job.",
      options: SUBMIT_OPTIONS,
    },
  ],
  [
    "status",
    { usage: "sandrun status ID", about: "How a job on a server stands.", options: LOOK_OPTIONS },
  ],
  [
    "logs",
    {
      usage: "sandrun logs [-f] ID",
      about: "What a job on a server printed so far, each stream to its own.",
      options: LOGS_OPTIONS,
    },
  ],
  [
    "outputs",
    {
      usage: "sandrun outputs ID",
      about: "Size and path of each output file of a job on a server.",
      options: LOOK_OPTIONS,
    },
  ],
  [
    "download",
    {
      usage: "sandrun download ID [--out DIR]",
      about:
        "Gets a job's output files, below DIR or as a tar.gz on standard output; the server\n" +
        "destroys the job when all arrived.",
      options: DOWNLOAD_OPTIONS,
    },
  ],
  [
    "cancel",
    {
      usage: "sandrun cancel ID",
      about: "Ends a job on a server and destroys all of it.",
      options: CANCEL_OPTIONS,
    },
  ],
  [
    "doctor",
    {
      usage: "sandrun doctor [OPTIONS]",
      about:
        "Looks at this machine, builds a box and says what is missing, with the command that mends it.\n" +
        "Changes nothing. Exit status: 0 all is fine, or hints only; 1 warnings, the machine could be\n" +
        "safer; 2 errors, boxes cannot run.",
      options: DOCTOR_OPTIONS,
    },
  ],
  [
    "mcp",
    {
      usage: "sandrun mcp [OPTIONS]",
      about:
        "Tools for an agent program (Model Context Protocol) over standard input and output: run_code,\n" +
        "run_project, read_output, list_interpreters. Jobs run in boxes on this machine, or on a server.\n" +
        "How to tell an agent program: docs/mcp.md.",
      options: MCP_OPTIONS,
    },
  ],
  [
    "completion",
    {
      usage: "sandrun completion bash|zsh|fish",
      about:
        "Prints a script that completes commands, options and files in your shell. To use it now and\n" +
        "at every start:\n\n" +
        "  bash   echo 'eval \"$(sandrun completion bash)\"' >>~/.bashrc\n" +
        "  zsh    echo 'eval \"$(sandrun completion zsh)\"' >>~/.zshrc   (after compinit)\n" +
        "  fish   sandrun completion fish >~/.config/fish/completions/sandrun.fish",
      options: [],
    },
  ],
]);

const OVERVIEW = `Runs code in a box: no network, no disk, no trace after.

  sandrun [OPTIONS] FILE [ARGS…]     run a file in a box on this machine
  sandrun [OPTIONS] DIR [ARGS…]      run a directory; job.json in it is the manifest
  sandrun [OPTIONS] [-]              run the code on standard input
  sandrun submit|status|logs|outputs|download|cancel …   jobs on a server
  sandrun serve [OPTIONS]            serve the HTTP API
  sandrun mcp [OPTIONS]              tools for agent programs over stdin and stdout
  sandrun doctor                     what this machine lacks for boxes, and how to mend it
  sandrun completion bash|zsh|fish   completion for your shell
  sandrun help COMMAND               the options of a command

Examples
  sandrun script.py --its --own options
  echo 'print("hello")' | sandrun --lang python
  sandrun --out report --outputs 'results/' --timeout 30 project/
  sandrun --watch script.js
  sandrun --server https://host:8443 script.py

Options stand before FILE; everything after it belongs to the program.
${optionLines(RUN_OPTIONS)}  --version
  -h, --help

With FILE or DIR, standard input goes to the program: a terminal or a pipe as it is typed and comes,
a file (at most 8 MB) at once. The first Ctrl-C interrupts the program, the second cancels it. Of a DIR, links are refused and .git is left out.
Files written by --out never get an execute permission.

The server may also stand in ~/.config/sandrun/config.json (or the file that SANDRUN_CONFIG names):
{"server": "https://host:8443", "fingerprint": "…"}, the fingerprint only for a self-signed one.

Exit status: the program's own; 128 + N when signal N killed it; 124 timed out (wall or CPU time);
137 out of memory; 130 cancelled; 125 refused, or the sandbox failed.
`;

const SERVE_USAGE = `sandrun serve [OPTIONS]

Serves the HTTP API over TLS. Each option is also a variable: --max-running is SANDRUN_MAX_RUNNING.

`;

/** @throws UsageError for a command that does not exist */
export async function helpText(topic: string | undefined, io: Io): Promise<string> {
  if (topic === undefined) return OVERVIEW;
  if (topic === "serve") return `${SERVE_USAGE}${await (await io.loadBackend()).serveHelp()}`;
  const page = PAGES.get(topic);
  if (page === undefined) throw new UsageError(`there is no command ${topic}; see sandrun --help`);
  const options = page.options.length === 0 ? "" : `\n${optionLines(page.options)}`;
  return `${page.usage}\n\n${page.about}\n${options}`;
}

export const help: Command = async (argv, io) => {
  await put(io.stdout, await helpText(argv[0], io));
  return 0;
};
