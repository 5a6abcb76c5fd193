/**
 * What Sandrun promises about a job, in one list. The ids stand in the titles of the hostile
 * suite and stay what they are: documents and tests refer to them.
 */
import type { LAYERS } from "../../src/core/wire.ts";

/** A layer that a box reports, or the part of the service that keeps a promise outside of boxes. */
export type Keeper =
  | (typeof LAYERS)[number]
  | "relay"
  | "collector"
  | "keeper"
  | "warden"
  | "archive"
  | "http"
  | "queue"
  | "store";

export interface Promised {
  readonly id: string;
  readonly sentence: string;
  /** What enforces it; each of them alone stops a part of the attempts. */
  readonly layers: readonly Keeper[];
}

export const PROMISES = [
  {
    id: "S1",
    sentence: "Files of the host can be neither read nor written.",
    layers: ["mount", "root", "tmpfs", "uid", "seccomp"],
  },
  {
    id: "S2",
    sentence: "Other processes can be neither seen, nor signalled, nor traced.",
    layers: ["pid", "proc", "user", "uid", "seccomp"],
  },
  {
    id: "S3",
    sentence: "There is no network of any family.",
    layers: ["network", "seccomp"],
  },
  {
    id: "S4",
    sentence:
      "No privilege can be gained: no capability, no set-uid, no namespace, no rare interface of the kernel.",
    layers: ["user", "capabilities", "no_new_privs", "seccomp", "mount"],
  },
  {
    id: "S5",
    sentence: "Memory stays within the job's limit, whatever holds it, and is never swapped.",
    layers: ["limits", "tmpfs", "seccomp", "rlimits", "relay"],
  },
  {
    id: "S6",
    sentence: "Processes and threads together stay within the limit.",
    layers: ["limits", "pid"],
  },
  {
    id: "S7",
    sentence: "Files, bytes in files, descriptors and terminals stay within their ceilings.",
    layers: ["tmpfs", "rlimits", "mount"],
  },
  {
    id: "S8",
    sentence: "Processor time stays within the job's share.",
    layers: ["limits", "rlimits", "capabilities"],
  },
  {
    id: "S9",
    sentence: "Printed output is bounded and cannot block the service.",
    layers: ["relay", "store"],
  },
  {
    id: "S10",
    sentence: "Other jobs can be neither found, nor watched, nor blocked, nor touched.",
    layers: ["user", "pid", "mount", "network", "ipc", "root", "tmpfs", "seccomp"],
  },
  {
    id: "S11",
    sentence: "Nothing of a job outlives it.",
    layers: ["pid", "ipc", "mount", "relay", "keeper", "warden"],
  },
  {
    id: "S12",
    sentence: "Uploads can neither escape nor exhaust.",
    layers: ["archive", "http", "uid", "tmpfs"],
  },
  {
    id: "S13",
    sentence: "Collecting outputs follows nothing and leaks nothing.",
    layers: ["collector", "seccomp", "uid"],
  },
  {
    id: "S14",
    sentence: "Requests can neither confuse, nor exhaust, nor hang the service.",
    layers: ["http", "queue", "store"],
  },
  {
    id: "S15",
    sentence: "A box that lacks a layer runs nothing.",
    layers: ["keeper", "limits"],
  },
  {
    id: "S16",
    sentence: "How a job ended is told as it was.",
    layers: ["relay", "limits"],
  },
  {
    id: "S17",
    sentence: "What identifies or counts the host is hidden.",
    layers: ["proc", "time", "uts", "mount", "root"],
  },
  {
    id: "S18",
    sentence: "The service's log says nothing of what a job is, or of whom it is.",
    layers: ["http"],
  },
  {
    id: "S19",
    sentence: "No memory of a job reaches a core file or a core handler.",
    layers: ["rlimits", "seccomp"],
  },
] as const satisfies readonly Promised[];

export type PromiseId = (typeof PROMISES)[number]["id"];
