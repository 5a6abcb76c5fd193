/** When a place is likely to be free again: from how long recent jobs held their slots. */

/** `retry_after` never says less, nor more, than this. */
const RETRY_LEAST_SECONDS = 1;
const RETRY_MOST_SECONDS = 3600;
/** What a job is thought to take before any has ended. */
const FIRST_GUESS_MS = 1000;
/** Weight of the newest job in the running mean. */
const MEAN_WEIGHT = 1 / 8;

export class HeldTimes {
  #meanMs = FIRST_GUESS_MS;

  add(heldMs: number): void {
    this.#meanMs += (heldMs - this.#meanMs) * MEAN_WEIGHT;
  }

  /** Jobs hold a slot for `mean` milliseconds: of `atOnce` of them one ends every mean / atOnce. */
  nextEndMs(atOnce: number): number {
    return this.#meanMs / Math.max(1, atOnce);
  }
}

/** Whole seconds, never too early; a guess from what was measured, not a promise. */
export function retrySeconds(ms: number): number {
  const seconds = Math.ceil(ms / 1000);
  return Math.min(RETRY_MOST_SECONDS, Math.max(RETRY_LEAST_SECONDS, seconds));
}
