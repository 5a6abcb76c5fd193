/** The slots of this machine: places for one box each, leased first come, first served. */
export class Slots {
  readonly #free: number[];
  readonly #waiting = new Set<(slot: number) => void>();

  constructor(count: number) {
    this.#free = Array.from({ length: count }, (_, index) => index);
  }

  /**
   * Resolves with a slot that is nobody else's until `release`.
   * @throws the signal's reason when it is aborted first.
   */
  lease(signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    // The oldest: a slot rests as long as it can before it is used again.
    const slot = this.#free.shift();
    if (slot !== undefined) return Promise.resolve(slot);
    return new Promise((resolve, reject) => {
      const take = (free: number) => {
        signal.removeEventListener("abort", giveUp);
        resolve(free);
      };
      const giveUp = () => {
        this.#waiting.delete(take);
        reject(signal.reason);
      };
      this.#waiting.add(take);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** Only when the box on it was waited for. */
  release(slot: number): void {
    for (const take of this.#waiting) {
      this.#waiting.delete(take);
      take(slot);
      return;
    }
    this.#free.push(slot);
  }
}
