/**
 * Who gives way so that others have a slot, or memory (queue/watch.ts and queue/room.ts say who).
 * What is asked to go needs a moment to die, so running jobs are asked one at a time, and the next
 * one when the first is gone or takes too long.
 *
 * Keeps S23 of SECURITY.md.
 */
import { SHARING } from "../core/limits.ts";
import type { Runner } from "../core/runner.ts";
import type { FairQueue } from "../queue/fair.ts";
import { whoGivesWay } from "../queue/room.ts";
import type { Watch } from "../queue/watch.ts";
import type { Shelf } from "../store/shelf.ts";

export interface PressureParts {
  readonly runner: Runner;
  readonly queue: FairQueue;
  readonly shelf: Shelf;
  readonly watch: Watch;
  readonly ramBudgetBytes: number;
  /** Bodies that are being read, and what running jobs have printed. */
  readonly otherBytes: () => number;
  readonly evict: (id: string) => void;
  readonly onFault: (fault: unknown) => void;
}

/** Ended jobs that give way at once; the next look takes more. */
const REMOVED_AT_ONCE = 16;

export class Pressure {
  readonly #parts: PressureParts;
  #leaving: string | undefined;
  #evictAgainAtMs = 0;

  constructor(parts: PressureParts) {
    this.#parts = parts;
  }

  /** What is due as things stand. */
  relieve(nowMs: number): void {
    const { queue, watch } = this.#parts;
    const waiterRuns = queue.starved(SHARING.patienceMs, nowMs);
    const sleeper = waiterRuns === undefined ? undefined : watch.sleeper(waiterRuns, nowMs);
    if (this.#evict(sleeper, nowMs)) queue.gaveWay(sleeper ?? "", SHARING.lateMs, nowMs);
    this.makeRoom(0, nowMs);
  }

  /** That job has ended, whatever the cause. */
  ended(id: string): void {
    if (this.#leaving === id) this.#evictAgainAtMs = 0;
  }

  /** @returns whether there is room for so much, below the part of the budget that may be used */
  makeRoom(bytes: number, nowMs: number): boolean {
    const { shelf, watch, ramBudgetBytes } = this.#parts;
    const most = ramBudgetBytes * SHARING.ramPart - bytes;
    let over = this.#heldBytes(most) - most;
    for (let removed = 0; over > 0 && removed < REMOVED_AT_ONCE; removed++) {
      const found = whoGivesWay(shelf.held(), watch.memory(), SHARING.callersOfGroup);
      if (found?.hasEnded !== true) {
        // What it holds is free only when it is dead.
        this.#evict(found?.id, nowMs);
        return false;
      }
      void shelf.remove(found.id);
      over -= found.bytes;
    }
    return over <= 0;
  }

  /** @param enough files that the kernel could drop count only above that */
  #heldBytes(enough: number): number {
    const { runner, shelf, queue, otherBytes, onFault } = this.#parts;
    const own = shelf.ownBytes + queue.waitingBytes + otherBytes();
    try {
      return own + runner.memoryBytes(enough - own);
    } catch (fault) {
      onFault(fault);
      return own;
    }
  }

  /** @returns whether it was asked to go */
  #evict(id: string | undefined, nowMs: number): boolean {
    if (id === undefined || nowMs < this.#evictAgainAtMs) return false;
    this.#evictAgainAtMs = nowMs + SHARING.leavingMs;
    this.#leaving = id;
    this.#parts.watch.leaves(id);
    this.#parts.evict(id);
    return true;
  }
}
