/** The table of the options of `serve`; config.ts reads it. None of them weakens a box. */
import {
  asIs,
  cidr,
  decimal,
  environmentOption,
  type Read,
  size,
  whole,
  yesOrNo,
} from "./configValues.ts";
import { CALLER_LIMITS, JOB_LIMITS, SERVICE_LIMITS } from "./core/limits.ts";
import { usuallySleeps } from "./sandbox/place.ts";

export interface Row<T> {
  /** As on the command line; SANDRUN_ + upper case with `_` is its variable. */
  readonly name: string;
  /** Shown for the value; undefined = a switch. */
  readonly value?: string;
  readonly repeatable?: boolean;
  readonly help: string;
  /** Shown in the help; undefined = none. A switch that has one can also be switched off, by `--no-` + name. */
  readonly usual?: string | number | boolean;
  readonly read: Read<T>;
}

export const OPTIONS = {
  port: {
    name: "port",
    value: "N",
    help: "TCP port; 0 takes a free one",
    usual: 8443,
    read: whole(0, 65_535),
  },
  listen: {
    name: "listen",
    value: "ADDRESS",
    help:
      "IP address to listen on, all by default (the service speaks TLS only); with " +
      "--behind-proxy a loopback address (127.0.0.1 by default) or the path of a Unix socket",
    read: asIs,
  },
  cert: {
    name: "cert",
    value: "FILE",
    help: "certificate chain, PEM; without it one is made in memory at every start",
    read: asIs,
  },
  key: { name: "key", value: "FILE", help: "its private key, PEM", read: asIs },
  behindProxy: {
    name: "behind-proxy",
    help: "plain HTTP on loopback or a Unix socket, whose peers' X-Forwarded-For counts",
    read: yesOrNo,
  },
  trustedProxy: {
    name: "trusted-proxy",
    value: "CIDR",
    repeatable: true,
    help: "addresses of proxies whose X-Forwarded-For counts; may be given several times",
    read: cidr,
  },
  quotaCpuSeconds: {
    name: "quota-cpu-seconds",
    value: "N",
    help: "CPU time a minute that one caller may use; beyond that its jobs wait or run slowly",
    usual: CALLER_LIMITS.quotaCpuSecondsPerMinute,
    read: whole(1, 100_000),
  },
  sleep: {
    name: "sleep",
    help:
      "hold no JavaScript process after a minute without a request: the next connection starts " +
      "one, and waits for it",
    usual: usuallySleeps(),
    read: yesOrNo,
  },
  web: {
    name: "web",
    help: "serve the web page to browsers that ask for /",
    read: yesOrNo,
  },
  maxRunning: {
    name: "max-running",
    value: "N",
    help: "jobs of one caller that run at once",
    usual: CALLER_LIMITS.running,
    read: whole(1, SERVICE_LIMITS.slotsMost),
  },
  maxWaiting: {
    name: "max-waiting",
    value: "N",
    help: "jobs of one caller that wait",
    usual: CALLER_LIMITS.waiting,
    read: whole(1, 100_000),
  },
  slots: {
    name: "slots",
    value: "N",
    help: "jobs of all callers that run at once; by default as many as the RAM budget allows",
    read: whole(1, SERVICE_LIMITS.slotsMost),
  },
  queue: {
    name: "queue",
    value: "N",
    help: "jobs of all callers that wait",
    usual: SERVICE_LIMITS.queue,
    read: whole(1, 100_000),
  },
  ramBudget: {
    name: "ram-budget",
    value: "SIZE",
    help: "memory for jobs and what waits for them, such as 4G; by default half of the machine's",
    read: size(SERVICE_LIMITS.ramBudgetLeastBytes),
  },
  jobCpus: {
    name: "job-cpus",
    value: "N",
    help: "cores that one job may use",
    usual: 1,
    read: decimal(0.1, 64),
  },
  maxTimeout: {
    name: "max-timeout",
    value: "SECONDS",
    help: "longest time that a job may ask for",
    usual: JOB_LIMITS.timeoutSeconds.most,
    read: whole(JOB_LIMITS.timeoutSeconds.least, JOB_LIMITS.timeoutSeconds.most),
  },
  maxMemory: {
    name: "max-memory",
    value: "MB",
    help: "most memory that a job may ask for, in MiB",
    usual: JOB_LIMITS.memoryMb.most,
    read: whole(JOB_LIMITS.memoryMb.least, JOB_LIMITS.memoryMb.most),
  },
  environment: {
    name: "environment",
    value: "NAME=DIR",
    repeatable: true,
    help: "a prepared tree that jobs can name and see read-only; may be given several times",
    read: environmentOption,
  },
  mcp: {
    name: "mcp",
    help: "tools for agents (Model Context Protocol, streamable HTTP) at /mcp",
    read: yesOrNo,
  },
  piston: {
    name: "piston",
    help: "the API of Piston, for its clients, at /api/v2",
    read: yesOrNo,
  },
} satisfies Record<string, Row<unknown>>;

export type OptionKey = keyof typeof OPTIONS;
export type ValueOf<K extends OptionKey> = ReturnType<(typeof OPTIONS)[K]["read"]>;

/** One variable of the environment for each option. */
export function variableOf(key: OptionKey): string {
  return `SANDRUN_${OPTIONS[key].name.toUpperCase().replaceAll("-", "_")}`;
}

export function optionKeys(): OptionKey[] {
  return Object.keys(OPTIONS) as OptionKey[];
}
