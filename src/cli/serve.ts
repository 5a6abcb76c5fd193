/**
 * `sandrun serve` starts with the warden, in C, so that JavaScript never runs as root: the script
 * `sandrun` does that. From here come its help and the two steps that the warden asks of Node,
 * both as an unprivileged uid: `serve-plan` checks the options, `serve-run` serves.
 */
import type { Command } from "./io.ts";
import { parseOptions, UsageError } from "./usage.ts";

export const serve: Command = async (argv) => {
  if (argv.includes("--help") || argv.includes("-h")) parseOptions([], ["--help"], true);
  throw new UsageError("the service is started by the script `sandrun` of the checkout");
};

export const servePlan: Command = async (argv, io) => {
  const backend = await io.loadBackend();
  await backend.printPlan(argv, io.env);
  return 0;
};

export const serveRun: Command = async (argv, io) => {
  const backend = await io.loadBackend();
  await backend.serve(argv, io.env);
  return 0;
};
