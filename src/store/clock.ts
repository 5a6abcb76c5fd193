/** Time as the service sees it; tests pass one that they move by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Calls `action` once, `delayMs` from now; never keeps the process alive. Returns its cancel. */
  after(delayMs: number, action: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, Math.max(0, delayMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
