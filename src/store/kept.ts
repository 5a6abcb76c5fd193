/** Boxes that are kept for the outputs of jobs that have ended. */
import type { JobRecord } from "./record.ts";

/** @param boxes the oldest first @returns the oldest of whichever caller keeps most */
export function whoseBoxGoes(boxes: Iterable<JobRecord>): JobRecord | undefined {
  const all = [...boxes];
  const kept = new Map<string, number>();
  const countOf = ({ caller }: JobRecord) => kept.get(caller.key) ?? 0;
  for (const record of all) kept.set(record.caller.key, countOf(record) + 1);
  let found: JobRecord | undefined;
  for (const record of all) {
    if (found === undefined || countOf(record) > countOf(found)) found = record;
  }
  return found;
}

/** 0 when there is none, or when it cannot be told: it has died, with its keeper for example. */
export function bytesInBox({ outputs }: JobRecord): number {
  try {
    return outputs?.boxBytes?.() ?? 0;
  } catch {
    return 0;
  }
}
