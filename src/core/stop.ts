/**
 * The wish that something stops, and why: what AbortController and AbortSignal are, for use within
 * this process. Those are event targets as the web has them, and each job takes several.
 */

/** One side of it: an AbortSignal serves, too. */
export interface StopSignal {
  readonly aborted: boolean;
  /** Undefined before it is aborted. */
  readonly reason: unknown;
  /** Called at most once; not at all when it is aborted already. */
  addEventListener(type: "abort", stopped: () => void, options: { readonly once: true }): void;
  removeEventListener(type: "abort", stopped: () => void): void;
}

/** Both sides of it. */
export class Stop implements StopSignal {
  #listeners: (() => void)[] = [];
  #aborted = false;
  #reason: unknown;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  /** Only the first reason counts. */
  abort(reason?: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const stopped of listeners) stopped();
  }

  addEventListener(_type: "abort", stopped: () => void): void {
    if (!this.#aborted) this.#listeners.push(stopped);
  }

  removeEventListener(_type: "abort", stopped: () => void): void {
    const at = this.#listeners.indexOf(stopped);
    if (at !== -1) this.#listeners.splice(at, 1);
  }
}
