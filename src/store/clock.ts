/** Time as the service sees it; tests pass one that they move by hand. */
export interface Clock {
  /**
   * Milliseconds since 1970, whole, by a clock that never goes back: what expires and what is
   * refilled must not wait for an hour because somebody set the machine's clock.
   */
  nowMs(): number;
  /** Calls `action` once, `delayMs` from now; never keeps the process alive. Returns its cancel. */
  after(delayMs: number, action: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Math.floor(performance.timeOrigin + performance.now()),
  after: (delayMs, action) => {
    const timer = setTimeout(action, Math.max(0, delayMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** One thing to do at one time, which may be put off, brought forward or cancelled. */
export class Alarm {
  readonly #clock: Clock;
  readonly #action: () => void;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, action: () => void) {
    this.#clock = clock;
    this.#action = action;
  }

  /** In the place of the time that was set before, if there was one. */
  setIn(delayMs: number): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#cancel = undefined;
      this.#action();
    });
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
