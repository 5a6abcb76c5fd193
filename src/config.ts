/**
 * The configuration of `serve`: one table of options (configTable.ts) gives the command line, the
 * `SANDRUN_*` variables, the checks and the help.
 */
import { isIP } from "node:net";
import { Command, CommanderError, Option } from "commander";
import {
  OPTIONS,
  type OptionKey,
  optionKeys,
  type Row,
  type ValueOf,
  variableOf,
} from "./configTable.ts";
import { type EnvironmentOption, UsageError } from "./configValues.ts";
import { CALLER_LIMITS, JOB_LIMITS, SERVICE_LIMITS } from "./core/limits.ts";

/** Where the service listens. `host` undefined = all addresses. */
export type ListenTarget =
  | { readonly kind: "tcp"; readonly host: string | undefined; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

export interface ServeConfig {
  readonly listen: ListenTarget;
  /** Paths of PEM files; undefined = a certificate is made at start (or plain behind a proxy). */
  readonly tls: { readonly certPath: string; readonly keyPath: string } | undefined;
  readonly behindProxy: boolean;
  readonly trustedProxies: readonly string[];
  /** A minute, of one caller. */
  readonly quotaCpuSeconds: number;
  /** Whether no process but warden and keeper is there while nobody asks for anything. */
  readonly sleep: boolean;
  readonly web: boolean;
  readonly maxRunning: number;
  readonly maxWaiting: number;
  /** Undefined = as many as the RAM budget has room for. */
  readonly slots: number | undefined;
  readonly queue: number;
  /** Undefined = chosen from the machine's memory. */
  readonly ramBudgetBytes: number | undefined;
  readonly jobCpus: number;
  readonly maxTimeoutSeconds: number;
  readonly maxMemoryMb: number;
  readonly environments: readonly EnvironmentOption[];
  /** Whether agents are served at /mcp. */
  readonly mcp: boolean;
  /** Whether clients of Piston are served at /api/v2. */
  readonly piston: boolean;
}

/**
 * @param argv what stands after `serve`
 * @param env the process's variables; an option on the command line wins over its variable
 * @throws UsageError
 */
export function parseServeOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ServeConfig {
  const given = new Given(parseWords(argv), env);
  const behindProxy = given.one("behindProxy") ?? false;
  const config: ServeConfig = {
    listen: listenTarget(given, behindProxy),
    tls: tlsPaths(given, behindProxy),
    behindProxy,
    trustedProxies: given.all("trustedProxy"),
    quotaCpuSeconds: given.one("quotaCpuSeconds") ?? CALLER_LIMITS.quotaCpuSecondsPerMinute,
    sleep: given.one("sleep") ?? OPTIONS.sleep.usual,
    web: given.one("web") ?? false,
    maxRunning: given.one("maxRunning") ?? CALLER_LIMITS.running,
    maxWaiting: given.one("maxWaiting") ?? CALLER_LIMITS.waiting,
    slots: given.one("slots"),
    queue: given.one("queue") ?? SERVICE_LIMITS.queue,
    ramBudgetBytes: given.one("ramBudget"),
    jobCpus: given.one("jobCpus") ?? OPTIONS.jobCpus.usual,
    maxTimeoutSeconds: given.one("maxTimeout") ?? JOB_LIMITS.timeoutSeconds.most,
    maxMemoryMb: given.one("maxMemory") ?? JOB_LIMITS.memoryMb.most,
    environments: given.all("environment"),
    mcp: given.one("mcp") ?? false,
    piston: given.one("piston") ?? false,
  };
  refuseTwice(config.environments);
  return config;
}

/** The options as text for `--help`, one a paragraph. */
export function describeOptions(): string {
  return command()
    .configureHelp({ helpWidth: 100, showGlobalOptions: false })
    .helpInformation()
    .split("Options:\n")[1] as string;
}

function command(): Command {
  const serve = new Command("serve").exitOverride().helpOption(false).allowExcessArguments(false);
  serve.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  for (const key of optionKeys()) {
    const row: Row<unknown> = OPTIONS[key];
    const flags = row.value === undefined ? `--${row.name}` : `--${row.name} <${row.value}>`;
    const notes = [...(row.usual === undefined ? [] : [`default ${row.usual}`]), variableOf(key)];
    const option = new Option(flags, `${row.help} (${notes.join("; ")})`);
    serve.addOption(option.argParser(row.value === undefined ? collect("true") : collect()));
    if (typeof row.usual !== "boolean") continue;
    const off = new Option(`--no-${row.name}`, `not --${row.name}`);
    serve.addOption(off.argParser(collect("false")));
  }
  return serve;
}

/**
 * All of them are kept: an option that is given twice by mistake must not win silently.
 * @param word what a switch stands for
 */
function collect(word?: string) {
  return (text: string, before: unknown) => [
    ...(Array.isArray(before) ? before : []),
    word ?? text,
  ];
}

/** What stood on the command line, as text, by option. */
function parseWords(argv: readonly string[]): Record<string, unknown> {
  const serve = command();
  try {
    serve.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new UsageError(sentence(error.message.replace(/^error: /, "")));
  }
  return serve.opts();
}

/** Values by option: those of the command line, else those of the variable. */
class Given {
  readonly #words: Record<string, unknown>;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(words: Record<string, unknown>, env: Readonly<Record<string, string | undefined>>) {
    this.#words = words;
    this.#env = env;
  }

  /** @throws UsageError when it is given twice or its value cannot be used */
  one<K extends OptionKey>(key: K): ValueOf<K> | undefined {
    const { texts, flag } = this.#texts(key);
    const [text, ...more] = texts;
    if (more.length > 0) throw new UsageError(`${flag} is given twice.`);
    return text === undefined ? undefined : (OPTIONS[key].read(text, flag) as ValueOf<K>);
  }

  all<K extends OptionKey>(key: K): ValueOf<K>[] {
    const { texts, flag } = this.#texts(key);
    return texts.map((text) => OPTIONS[key].read(text, flag) as ValueOf<K>);
  }

  #texts(key: OptionKey): { texts: readonly string[]; flag: string } {
    const row: Row<unknown> = OPTIONS[key];
    const words = this.#words[camelCase(row.name)];
    if (Array.isArray(words)) return { texts: words.map(String), flag: `--${row.name}` };
    const variable = variableOf(key);
    const text = this.#env[variable];
    if (text === undefined || text === "") return { texts: [], flag: variable };
    return { texts: row.repeatable === true ? text.split(",") : [text], flag: variable };
  }
}

/** Commander names options this way. */
function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function listenTarget(given: Given, behindProxy: boolean): ListenTarget {
  const port = given.one("port") ?? OPTIONS.port.usual;
  const address = given.one("listen");
  if (address?.includes("/") === true) {
    if (behindProxy) return { kind: "unix", path: address };
    throw new UsageError("A Unix socket needs --behind-proxy.");
  }
  if (address !== undefined && isIP(address) === 0) {
    throw new UsageError(`--listen takes an IP address or a path, not "${address}".`);
  }
  if (!behindProxy) return { kind: "tcp", host: address, port };
  const host = address ?? "127.0.0.1";
  if (!host.startsWith("127.") && host !== "::1") {
    throw new UsageError(
      "With --behind-proxy the service listens on loopback or a Unix socket only.",
    );
  }
  return { kind: "tcp", host, port };
}

function tlsPaths(given: Given, behindProxy: boolean): ServeConfig["tls"] {
  const certPath = given.one("cert");
  const keyPath = given.one("key");
  if (certPath === undefined && keyPath === undefined) return undefined;
  if (behindProxy)
    throw new UsageError("--behind-proxy serves plain HTTP; leave --cert and --key out.");
  if (certPath === undefined) throw new UsageError("--key needs --cert.");
  if (keyPath === undefined) throw new UsageError("--cert needs --key.");
  return { certPath, keyPath };
}

function refuseTwice(environments: readonly EnvironmentOption[]): void {
  const names = new Set<string>();
  for (const { name } of environments) {
    if (names.has(name)) throw new UsageError(`The environment "${name}" is given twice.`);
    names.add(name);
  }
}

function sentence(text: string): string {
  const [first = ""] = text.split("\n");
  return `${first.charAt(0).toUpperCase()}${first.slice(1)}${first.endsWith(".") ? "" : "."}`;
}
