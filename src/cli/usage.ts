/** Options of a command: one table gives the parser and the help. */

export interface OptionSpec {
  /** Long name without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** What stands for its value in the help; an option without it is a switch. */
  readonly value?: string;
  readonly repeats?: boolean;
  readonly help: string;
}

/** The caller wrote something that we cannot follow; one sentence, exit 125. */
export class UsageError extends Error {}

/** `--help` was asked for, wherever options are read. */
export class HelpWanted extends Error {}

export interface Parsed {
  /** By long name, in the order given. A switch has the value "". */
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly rest: readonly string[];
}

/**
 * Reads `--name value`, `--name=value`, `-n value`; `--` ends the options.
 * With `stopAtFirst` everything from the first operand on is left as it is, which is how the
 * options of a program stay the program's.
 * @throws UsageError, HelpWanted
 */
export function parseOptions(
  specs: readonly OptionSpec[],
  argv: readonly string[],
  stopAtFirst: boolean,
): Parsed {
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  let at = 0;
  while (at < argv.length) {
    const word = argv[at] ?? "";
    at += 1;
    if (word === "--") {
      rest.push(...argv.slice(at));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      if (stopAtFirst) {
        rest.push(word, ...argv.slice(at));
        break;
      }
      rest.push(word);
      continue;
    }
    const { spec, inline } = findOption(specs, word);
    const value = spec.value === undefined ? "" : (inline ?? argv[at]);
    if (value === undefined) throw new UsageError(`${word} needs a value: ${spec.value}`);
    if (spec.value !== undefined && inline === undefined) at += 1;
    addValue(values, spec, value, inline);
  }
  return { values, rest };
}

function findOption(
  specs: readonly OptionSpec[],
  word: string,
): { spec: OptionSpec; inline?: string } {
  const equals = word.startsWith("--") ? word.indexOf("=") : -1;
  const flag = equals < 0 ? word : word.slice(0, equals);
  if (flag === "--help" || flag === "-h") throw new HelpWanted();
  const spec = specs.find(({ name, short }) => flag === `--${name}` || flag === `-${short}`);
  if (spec === undefined) throw new UsageError(`there is no option ${flag}; see sandrun --help`);
  return equals < 0 ? { spec } : { spec, inline: word.slice(equals + 1) };
}

function addValue(
  values: Map<string, string[]>,
  spec: OptionSpec,
  value: string,
  inline: string | undefined,
): void {
  if (spec.value === undefined && inline !== undefined)
    throw new UsageError(`--${spec.name} takes no value`);
  const given = values.get(spec.name);
  if (given === undefined) values.set(spec.name, [value]);
  else if (spec.repeats === true) given.push(value);
  else throw new UsageError(`--${spec.name} can be given once`);
}

/** The last value of an option, if it was given. */
export function one(parsed: Parsed, name: string): string | undefined {
  return parsed.values.get(name)?.at(-1);
}

export function has(parsed: Parsed, name: string): boolean {
  return parsed.values.has(name);
}

export function all(parsed: Parsed, name: string): readonly string[] {
  return parsed.values.get(name) ?? [];
}

/** The option lines of a help page. */
export function optionLines(specs: readonly OptionSpec[]): string {
  const left = specs.map(
    ({ name, short, value }) =>
      `  ${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
  );
  const width = Math.max(...left.map((line) => line.length)) + 2;
  return specs.map((spec, index) => `${(left[index] ?? "").padEnd(width)}${spec.help}\n`).join("");
}
