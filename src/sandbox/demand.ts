/**
 * How many boxes of one kind should wait: what was used at once lately, twice, since a box takes
 * longer to make than many a job to run; none when nobody came for a while.
 */

/** Boxes that nobody asked for in this time go: well before a process at rest hands over to the next. */
const IDLE_MS = 45_000;
/** How long the most that was used at once counts: one to two of these. */
const WINDOW_MS = 10_000;

export class Demand {
  #inUse = 0;
  #most = 0;
  #mostBefore = 0;
  #windowFromMs: number;
  #takenAtMs: number;

  constructor(nowMs: number) {
    this.#windowFromMs = this.#takenAtMs = nowMs;
  }

  taken(nowMs: number): void {
    this.#inUse += 1;
    this.#takenAtMs = nowMs;
    this.#turn(nowMs);
    this.#most = Math.max(this.#most, this.#inUse);
  }

  givenBack(): void {
    this.#inUse -= 1;
  }

  /** A box of the kind is in use. */
  get isUsed(): boolean {
    return this.#inUse > 0;
  }

  /** By how much somebody came for this kind later than for the other. */
  since(other: Demand): number {
    return this.#takenAtMs - other.#takenAtMs;
  }

  isIdle(nowMs: number): boolean {
    return nowMs - this.#takenAtMs >= IDLE_MS;
  }

  wanted(nowMs: number): number {
    this.#turn(nowMs);
    return this.isIdle(nowMs) ? 0 : Math.max(2, 2 * Math.max(this.#most, this.#mostBefore));
  }

  #turn(nowMs: number): void {
    const windows = Math.floor((nowMs - this.#windowFromMs) / WINDOW_MS);
    if (windows < 1) return;
    this.#mostBefore = windows === 1 ? this.#most : this.#inUse;
    this.#most = this.#inUse;
    this.#windowFromMs += windows * WINDOW_MS;
  }
}
