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
