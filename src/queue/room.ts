/**
 * Who gives way when the machine's memory runs out: whoever holds most, jobs that run and jobs that
 * have ended together; of theirs the oldest that has ended, then the oldest that runs.
 *
 * A network counts as several callers (fair.ts). A caller who is alone loses no running job: there
 * is nobody to make room for, and the kernel's limit on all jobs together stands anyway.
 */
import type { Holding } from "./watch.ts";

export interface GivesWay {
  readonly id: string;
  readonly hasEnded: boolean;
  readonly bytes: number;
}

/** Both lists the oldest first. */
export function whoGivesWay(
  ended: Iterable<Holding>,
  running: Iterable<Holding>,
  callersOfGroup: number,
): GivesWay | undefined {
  const heldBytes = new Map<string, number>();
  const first = new Map<string, GivesWay>();
  const add = ({ id, caller, bytes }: Holding, hasEnded: boolean) => {
    const holder = caller.group ?? caller.key;
    const part = caller.group === undefined ? bytes : bytes / callersOfGroup;
    heldBytes.set(holder, (heldBytes.get(holder) ?? 0) + part);
    if (!first.has(holder)) first.set(holder, { id, hasEnded, bytes });
  };
  for (const holding of ended) add(holding, true);
  for (const holding of running) add(holding, false);
  let most: string | undefined;
  for (const [holder, bytes] of heldBytes) {
    if (most === undefined || bytes > (heldBytes.get(most) ?? 0)) most = holder;
  }
  const found = most === undefined ? undefined : first.get(most);
  return found?.hasEnded === false && heldBytes.size === 1 ? undefined : found;
}
