/**
 * Completion scripts for bash, zsh and fish. They hold all they need, so that no key press starts
 * a program; what a user may have typed is compared, never evaluated.
 */
import type { OptionSpec } from "./usage.ts";

interface CompletedCommand {
  readonly name: string;
  readonly about: string;
  readonly options: readonly OptionSpec[];
  /** What stands after the options. */
  readonly operand: "file" | "word";
}

export interface Grammar {
  /** The options when no command is named: a file is run. */
  readonly run: readonly OptionSpec[];
  readonly commands: readonly CompletedCommand[];
  readonly languages: readonly string[];
}

/** What a value of an option is chosen from; by the option's name, the same in every command. */
const CHOSEN_FROM: Readonly<Record<string, "language" | "directory" | "file">> = {
  lang: "language",
  out: "directory",
  cert: "file",
  key: "file",
};

const SHELL_NAMES = ["bash", "zsh", "fish"];

export const SHELLS: ReadonlyMap<string, (grammar: Grammar) => string> = new Map([
  ["bash", bashScript],
  ["zsh", zshScript],
  ["fish", fishScript],
]);

function flags({ name, short }: OptionSpec): readonly string[] {
  return short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`];
}

/** Words that may follow a command that takes neither a file nor a job's id. */
function wordsAfter({ name }: CompletedCommand, commands: readonly CompletedCommand[]) {
  if (name === "completion") return SHELL_NAMES;
  return name === "help" ? commands.map((command) => command.name) : [];
}

/** Every option that takes a value, of any command. */
function valued({ run, commands }: Grammar): readonly OptionSpec[] {
  const specs = [run, ...commands.map(({ options }) => options)].flat();
  const named = new Map(specs.map((spec) => [spec.name, spec]));
  return [...named.values()].filter(({ value }) => value !== undefined);
}

function bashScript(grammar: Grammar): string {
  const { run, commands, languages } = grammar;
  const names = commands.map(({ name }) => name);
  const patterns = (kind: string | undefined) =>
    valued(grammar)
      .filter(({ name }) => CHOSEN_FROM[name] === kind)
      .flatMap(flags)
      .join("|");
  const rows = commands.map(
    (command) =>
      `    ${command.name}) options=${quoted(command.options.flatMap(flags).join(" "))}` +
      ` operand=${command.operand} words=${quoted(wordsAfter(command, commands).join(" "))} ;;`,
  );
  return `# sandrun completion for bash
_sandrun() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local options operand words at=1 first=
  COMPREPLY=()
  (( COMP_CWORD > 1 )) && first=\${COMP_WORDS[1]}
  case $first in
${rows.join("\n")}
    *) options=${quoted(run.flatMap(flags).join(" "))} operand=file first= words= ;;
  esac
  [ -n "$first" ] && at=2
  (( COMP_CWORD == 1 )) && words=${quoted(names.join(" "))}
  # What stands behind a file is the program's own.
  if [ "$operand" = file ]; then
    while (( at < COMP_CWORD )); do
      case \${COMP_WORDS[at]} in
        ${valued(grammar).flatMap(flags).join("|")}) (( at += 2 )) ;;
        -?*) (( at += 1 )) ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
      esac
    done
  fi
  case $previous in
    ${patterns("language")}) mapfile -t COMPREPLY < <(compgen -W ${quoted(languages.join(" "))} -- "$current"); return ;;
    ${patterns("directory")}) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    ${patterns("file")}) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    ${patterns(undefined)}) return ;;
  esac
  case $current in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current") ;;
    *)
      mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
      [ "$operand" = file ] && mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
      ;;
  esac
}
complete -o filenames -F _sandrun sandrun
`;
}

function zshScript({ run, commands, languages }: Grammar): string {
  const actions = {
    language: `(${languages.join(" ")})`,
    directory: "_files -/",
    file: "_files",
  };
  const argument = (spec: OptionSpec) => {
    const { name, short, value, help, repeats } = spec;
    const chosen = CHOSEN_FROM[name];
    const action = chosen === undefined ? " " : actions[chosen];
    const rest = value === undefined ? "" : `:${zshPlain(value)}:${action}`;
    const text = `[${zshPlain(help)}]${rest}`;
    const many = repeats === true ? "*" : "";
    const long = quoted(`${many}--${name}${value === undefined ? "" : "="}${text}`);
    return short === undefined ? [long] : [quoted(`${many}-${short}${text}`), long];
  };
  const cases = commands.map((command) => {
    const words = wordsAfter(command, commands);
    const operand =
      command.operand === "file"
        ? "'1:file:_files' '*::argument:_files'"
        : quoted(`1:word:(${words.join(" ")})`);
    return `    ${command.name}) _arguments -S ${[...command.options.flatMap(argument), operand].join(" ")} ;;`;
  });
  return `#compdef sandrun
# sandrun completion for zsh
_sandrun_first() {
  local -a commands=(
${commands.map(({ name, about }) => `    ${quoted(`${name}:${about}`)}`).join("\n")}
  )
  _alternative 'files:file:_files' 'commands:command:{ _describe -t commands command commands }'
}
_sandrun() {
  local first=$words[2]
  (( CURRENT == 2 )) && first=
  if [[ -n $first && ${quoted(` ${commands.map(({ name }) => name).join(" ")} `)} == *" $first "* ]]; then
    shift words
    (( CURRENT-- ))
  else
    first=
  fi
  case $first in
${cases.join("\n")}
    *) _arguments -S ${run.flatMap(argument).join(" ")} '1:file:_sandrun_first' '*::argument:_files' ;;
  esac
}
compdef _sandrun sandrun
`;
}

function fishScript({ run, commands, languages }: Grammar): string {
  const names = commands.map(({ name }) => name).join(" ");
  const option = (condition: string, { name, short, value, help }: OptionSpec) => {
    const chosen = CHOSEN_FROM[name];
    const from = {
      language: `-x -a ${quoted(languages.join(" "))}`,
      directory: "-x -a '(__fish_complete_directories)'",
      file: "-r -F",
    };
    const kind = value === undefined ? "" : chosen === undefined ? "-x" : from[chosen];
    const letter = short === undefined ? "" : `-s ${short}`;
    const parts = [`complete -c sandrun -n ${quoted(condition)} -l ${name}`, letter, kind];
    return `${parts.filter((part) => part !== "").join(" ")} -d ${fishQuoted(help)}`;
  };
  const lines = commands.flatMap((command) => {
    const seen = `__fish_seen_subcommand_from ${command.name}`;
    const words = wordsAfter(command, commands);
    return [
      `complete -c sandrun -n __fish_use_subcommand -a ${command.name} -d ${fishQuoted(command.about)}`,
      ...(command.operand === "file" ? [] : [`complete -c sandrun -n ${quoted(seen)} -f`]),
      ...(words.length === 0
        ? []
        : [`complete -c sandrun -n ${quoted(seen)} -a ${quoted(words.join(" "))}`]),
      ...command.options.map((spec) => option(seen, spec)),
    ];
  });
  const none = `not __fish_seen_subcommand_from ${names}`;
  return `# sandrun completion for fish
complete -c sandrun -e
${[...lines, ...run.map((spec) => option(none, spec))].join("\n")}
`;
}

/** One word for bash and zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}

/** Text inside a specification of _arguments, where some characters have a meaning. */
function zshPlain(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, "\\$&");
}
