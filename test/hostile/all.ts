/** Every case, in the order in which the table shows them, and how they may share a machine. */
import type { Case } from "./case.ts";
import { AFTERWARDS } from "./cases/afterwards.ts";
import { COUNTS } from "./cases/counts.ts";
import { FILES } from "./cases/files.ts";
import { JOBS } from "./cases/jobs.ts";
import { KERNEL } from "./cases/kernel.ts";
import { MEMORY } from "./cases/memory.ts";
import { MOUNTS } from "./cases/mounts.ts";
import { NETWORK } from "./cases/network.ts";
import { OUTPUTS } from "./cases/outputs.ts";
import { PRIVILEGES } from "./cases/privileges.ts";
import { PROC } from "./cases/proc.ts";
import { PROCESSES } from "./cases/processes.ts";
import { REQUESTS } from "./cases/requests.ts";
import { SWITCHES } from "./cases/switches.ts";
import { TRACES } from "./cases/traces.ts";
import { UPLOADS } from "./cases/uploads.ts";

/** Each has boxes of its own: several run at once. */
export const IN_BOXES: readonly Case[] = [
  ...FILES,
  ...PROC,
  ...MOUNTS,
  ...NETWORK,
  ...PROCESSES,
  ...PRIVILEGES,
  ...KERNEL,
  ...SWITCHES,
  ...MEMORY,
  ...COUNTS,
  ...TRACES,
  ...JOBS,
  ...AFTERWARDS,
];

/** They share one service, which counts what a caller does: one after the other. */
export const AT_THE_SERVICE: readonly Case[] = [...UPLOADS, ...OUTPUTS, ...REQUESTS];

export const CASES: readonly Case[] = [...IN_BOXES, ...AT_THE_SERVICE];
