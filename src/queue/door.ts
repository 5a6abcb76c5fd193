/** What the queue takes, what it refuses until when, and who gives way for a newcomer (fair.ts). */
import { Refusal } from "../core/errors.ts";
import { spanMs } from "./bucket.ts";
import { type HeldTimes, retrySeconds } from "./heldTimes.ts";
import type { FairLimits } from "./limits.ts";
import type { Line, WaitingJob } from "./line.ts";
import type { Lines } from "./lines.ts";

export class Door {
  readonly #limits: FairLimits;
  readonly #lines: Lines;
  readonly #held: HeldTimes;
  readonly #spanMs: number;

  constructor(limits: FairLimits, lines: Lines, held: HeldTimes) {
    this.#limits = limits;
    this.#lines = lines;
    this.#held = held;
    this.#spanMs = spanMs(limits.bucket);
  }

  /**
   * What a caller may have waiting; also with 0 bytes, before a body is read.
   * @throws Refusal caller_busy
   */
  refuse(
    { fullAtMs, waiting, waitingBytes, group }: Line,
    inputBytes: number,
    nowMs: number,
  ): void {
    const limits = this.#limits;
    const most = limits.waiting * limits.callersOfGroup;
    const mostBytes = limits.waitingBytes * limits.callersOfGroup;
    const fullMs = Math.max(fullAtMs, group?.fullAtMs ?? 0) - nowMs;
    // Work that is refused is charged, but nothing else would keep a caller in debt from more of it.
    const debtMs = fullMs - 2 * this.#spanMs;
    if (debtMs >= 0) {
      const details = "You have used far more CPU time than you had.";
      throw new Refusal("caller_busy", details, retrySeconds(debtMs + 1));
    }
    const refuse = (details: string) => {
      const placeMs = this.#held.nextEndMs(limits.running);
      throw new Refusal(
        "caller_busy",
        details,
        retrySeconds(Math.max(fullMs - this.#spanMs, placeMs)),
      );
    };
    if (waiting >= limits.waiting) refuse(`${waiting} of your jobs wait already.`);
    if (waitingBytes + inputBytes > limits.waitingBytes)
      refuse(`Your waiting jobs may hold ${limits.waitingBytes} bytes of input in all.`);
    if (group !== undefined && group.waiting >= most)
      refuse(`${group.waiting} jobs of your network wait already.`);
    if (group !== undefined && group.waitingBytes + inputBytes > mostBytes)
      refuse(`Waiting jobs of your network may hold ${mostBytes} bytes of input in all.`);
  }

  /**
   * @returns jobs of whoever holds most that have to leave, the newest first
   * @throws Refusal queue_full when nobody holds more than the newcomer would; too_large
   */
  makeRoom(newcomer: Line, inputBytes: number, nowMs: number): readonly WaitingJob[] {
    const { totalWaiting, totalWaitingBytes, slots } = this.#limits;
    if (inputBytes > totalWaitingBytes) {
      throw new Refusal("too_large", `Input may have ${totalWaitingBytes} bytes here.`);
    }
    let places = this.#lines.waiting + 1 - totalWaiting;
    let bytes = this.#lines.waitingBytes + inputBytes - totalWaitingBytes;
    const leaving: WaitingJob[] = [];
    const own = this.#lines.shareOf({
      waiting: newcomer.waiting + 1,
      waitingBytes: newcomer.waitingBytes + inputBytes,
    });
    const heaviest = this.#lines.heaviest();
    const held = {
      waiting: heaviest?.waiting ?? 0,
      waitingBytes: heaviest?.waitingBytes ?? 0,
    };
    for (let job = heaviest?.tail; places > 0 || bytes > 0; job = job.before) {
      if (job === undefined || this.#lines.shareOf(held) <= own) {
        const hasNobodyCredit = this.#lines.next() === undefined;
        const firstMs = hasNobodyCredit ? (this.#lines.nextCreditAtMs() ?? 0) - nowMs : 0;
        const waitMs = Math.max(firstMs, this.#held.nextEndMs(slots));
        throw new Refusal("queue_full", undefined, retrySeconds(waitMs));
      }
      leaving.push(job);
      held.waiting -= 1;
      held.waitingBytes -= job.inputBytes;
      places -= 1;
      bytes -= job.inputBytes;
    }
    return leaving;
  }
}
