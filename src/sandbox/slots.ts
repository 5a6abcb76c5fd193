/** The slots of this machine: places for one box each. */
export class Slots {
  readonly #free: number[];

  /** @param numbers of those that are ours: the keeper may have more */
  constructor(numbers: readonly number[]) {
    this.#free = [...numbers].reverse();
  }

  /** A slot that is nobody else's until `release`; undefined when none is free. */
  lease(): number | undefined {
    // The one that was used last: its mounts are there, and each slot that has some makes every box dearer.
    return this.#free.pop();
  }

  /** Only when the box on it was waited for. */
  release(slot: number): void {
    this.#free.push(slot);
  }
}
