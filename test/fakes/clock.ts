/** A clock that only the test moves. */
import type { Clock } from "../../src/store/clock.ts";

interface Due {
  readonly atMs: number;
  readonly action: () => void;
}

export class FakeClock implements Clock {
  #nowMs: number;
  readonly #due = new Set<Due>();

  constructor(nowMs = 1_000_000) {
    this.#nowMs = nowMs;
  }

  /** A field, so that it can be passed on alone. */
  readonly nowMs = (): number => this.#nowMs;

  readonly after = (delayMs: number, action: () => void): (() => void) => {
    const due = { atMs: this.#nowMs + Math.max(0, delayMs), action };
    this.#due.add(due);
    return () => this.#due.delete(due);
  };

  get timers(): number {
    return this.#due.size;
  }

  /** Moves on, and does what falls due on the way, in its order. */
  advance(ms: number): void {
    const targetMs = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#due].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > targetMs) break;
      this.#due.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.action();
    }
    this.#nowMs = targetMs;
  }
}
