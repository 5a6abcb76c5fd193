/**
 * Who wants to know when something about a job changes. A watcher is told that there is news and
 * looks for itself, so that a thousand slow ones cost a call each and hold nothing.
 */
export class Changes {
  readonly #watchers = new Set<() => void>();

  /** @param told may not throw @returns stops the watching */
  watch(told: () => void): () => void {
    this.#watchers.add(told);
    return () => {
      this.#watchers.delete(told);
    };
  }

  tell(): void {
    for (const told of this.#watchers) told();
  }
}
