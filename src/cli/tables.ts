/** The option tables of all commands: what is parsed is what the help shows. */
import type { OptionSpec } from "./usage.ts";

/** What to run and under which limits. */
const JOB_OPTIONS: readonly OptionSpec[] = [
  {
    name: "lang",
    short: "l",
    value: "NAME",
    help: "the interpreter; else by the file's ending or #! line",
  },
  { name: "timeout", value: "S", help: "seconds of wall-clock time, 1 to 3600 (300)" },
  { name: "cpu", value: "S", help: "seconds of CPU time, 1 to 600 (no limit of its own)" },
  { name: "memory", value: "SIZE", help: "512, 512M or 1G; 64 MB to 2 GB (512 MB)" },
  {
    name: "env",
    value: "K=V",
    repeats: true,
    help: "a variable for the program; K alone takes its value from here",
  },
  {
    name: "outputs",
    value: "GLOB",
    repeats: true,
    help: 'which files to keep, such as "results/" or "*.png" (all made or changed)',
  },
];

const ENVIRONMENT_OPTION: OptionSpec = {
  name: "environment",
  value: "NAME[=DIR]",
  help: "a prepared tree: a server's by name, or a directory of this machine",
};

const SERVER_OPTIONS: readonly OptionSpec[] = [
  { name: "server", value: "URL", help: "use this server (also SANDRUN_SERVER)" },
  {
    name: "fingerprint",
    value: "SHA256",
    help: "trust exactly this certificate, for a self-signed one (also SANDRUN_FINGERPRINT)",
  },
];

const JSON_OPTION: OptionSpec = { name: "json", help: "print the server's answer as JSON" };

const LOCAL_OPTION: OptionSpec = { name: "local", help: "run it here, whatever server is set" };

const OUT_OPTIONS: readonly OptionSpec[] = [
  { name: "out", short: "o", value: "DIR", help: "write the job's output files below DIR" },
  { name: "force", help: "with --out, replace files that exist" },
];

export const RUN_OPTIONS: readonly OptionSpec[] = [
  ...JOB_OPTIONS,
  ENVIRONMENT_OPTION,
  ...OUT_OPTIONS,
  { name: "json", help: "print the result as JSON" },
  { name: "watch", help: "run again whenever FILE or DIR changes, without input; Ctrl-C ends it" },
  ...SERVER_OPTIONS,
  LOCAL_OPTION,
];

export const SUBMIT_OPTIONS: readonly OptionSpec[] = [
  ...JOB_OPTIONS,
  ENVIRONMENT_OPTION,
  JSON_OPTION,
  ...SERVER_OPTIONS,
];

export const LOGS_OPTIONS: readonly OptionSpec[] = [
  { name: "follow", short: "f", help: "go on with what the job prints, until it ends" },
  JSON_OPTION,
  ...SERVER_OPTIONS,
];

/** `status`, `outputs`. */
export const LOOK_OPTIONS: readonly OptionSpec[] = [JSON_OPTION, ...SERVER_OPTIONS];

export const DOWNLOAD_OPTIONS: readonly OptionSpec[] = [...OUT_OPTIONS, ...SERVER_OPTIONS];

export const DOCTOR_OPTIONS: readonly OptionSpec[] = [
  { name: "json", help: "print the findings as JSON" },
  { name: "cert", value: "FILE", help: "look at the certificate that the service will show" },
];

export const MCP_OPTIONS: readonly OptionSpec[] = [
  {
    name: "environment",
    value: "NAME=DIR",
    repeats: true,
    help: "a prepared tree of this machine that jobs can name",
  },
  ...SERVER_OPTIONS,
  LOCAL_OPTION,
];

export const CANCEL_OPTIONS: readonly OptionSpec[] = SERVER_OPTIONS;
