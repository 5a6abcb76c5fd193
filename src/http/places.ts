/**
 * Places for connections that follow a job: each holds a socket, a frame and perhaps input, for as
 * long as the job lives, so one caller has a few and all together have a bounded number.
 */
import { Refusal } from "../core/errors.ts";

export interface PlaceLimits {
  readonly perCaller: number;
  readonly total: number;
  /** What takes them, for the sentence; logs that are followed when left out. */
  readonly what?: string;
}

/** From how many readers on each of them looks less often, a millisecond for each such group. */
const READERS_PER_MS = 8;
/** There is nothing to compute it from: a reader may leave at any moment. */
const RETRY_SECONDS = 5;

export class Places {
  readonly #limits: PlaceLimits;
  readonly #taken = new Map<string, number>();
  #total = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** How long a reader that just had news leaves the job alone, in milliseconds. */
  get restMs(): number {
    return Math.floor(this.#total / READERS_PER_MS);
  }

  /** @returns gives the place back; later calls do nothing @throws Refusal too_many_streams */
  take(caller: string): () => void {
    const own = this.#taken.get(caller) ?? 0;
    if (own >= this.#limits.perCaller) {
      const { what = "followed logs" } = this.#limits;
      throw new Refusal("too_many_streams", `You have ${own} ${what} already.`, RETRY_SECONDS);
    }
    if (this.#total >= this.#limits.total) {
      throw new Refusal("too_many_streams", "The service has no room for more.", RETRY_SECONDS);
    }
    this.#taken.set(caller, own + 1);
    this.#total += 1;
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      this.#giveBack(caller);
    };
  }

  #giveBack(caller: string): void {
    const own = (this.#taken.get(caller) ?? 1) - 1;
    if (own === 0) this.#taken.delete(caller);
    else this.#taken.set(caller, own);
    this.#total -= 1;
  }
}
