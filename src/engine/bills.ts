/**
 * Work for a caller that is no job's: taking apart what is then refused, packing and sending what
 * was made. It is on the caller's bill like CPU time of jobs, or asking again and again for one
 * large result would keep the service busy for nothing. Whoever owes a whole bucket waits for it.
 */
import type { Caller } from "../core/caller.ts";
import { MIB } from "../core/limits.ts";
import type { FairQueue } from "../queue/fair.ts";
import type { Clock } from "../store/clock.ts";

/** CPU time for each MiB. */
export const WORK_MS_PER_MIB = {
  /** An archive that is packed, by what comes out: what cannot be compressed costs most. */
  packed: 20,
  sent: 2,
  /** Text in JSON. */
  told: 15,
} as const;

export class Bills {
  readonly #queue: FairQueue;
  readonly #clock: Clock;

  constructor(queue: FairQueue, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
  }

  /** So many bytes were taken apart, and then refused. */
  refused(caller: Caller, bytes: number): void {
    this.#queue.chargeBytes(caller, bytes, this.#clock.nowMs());
  }

  /** Charges the work; resolves when the caller owes less than a bucket. */
  async spend(caller: Caller, bytes: number, work: keyof typeof WORK_MS_PER_MIB): Promise<void> {
    this.#queue.chargeWork(caller, (bytes / MIB) * WORK_MS_PER_MIB[work], this.#clock.nowMs());
    for (;;) {
      const waitMs = this.#queue.owesForMs(caller, this.#clock.nowMs());
      if (waitMs <= 0) return;
      await new Promise<void>((resolve) => {
        this.#clock.after(waitMs, resolve);
      });
    }
  }

  /** Passes a body on, and charges it piece by piece. */
  async *spending(
    caller: Caller,
    body: AsyncIterable<Uint8Array>,
    work: keyof typeof WORK_MS_PER_MIB,
  ): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      await this.spend(caller, chunk.length, work);
      yield chunk;
    }
  }
}
