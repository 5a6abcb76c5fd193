/**
 * Answers that are made and not taken. Whoever asks and does not read leaves the answer in memory,
 * which may be many times what was asked with. So one of which nothing is taken for a while is cut,
 * and all together hold a bounded sum, which is shared as uploads are: when it is passed, one that
 * is slow gives way, or else the oldest of whoever holds most. A single one may always be there.
 *
 * Keeps S14 and S23 of SECURITY.md.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Caller } from "../core/caller.ts";
import { HTTP_LIMITS, SHARING } from "../core/limits.ts";

export interface UnreadLimits {
  readonly totalBytes: number;
  readonly nowMs: () => number;
  readonly identify: (peerAddress: string | undefined, forwardedFor: string | undefined) => Caller;
}

export interface UnreadTimes {
  /** For so long nothing of an answer may be taken. */
  readonly stallMs: number;
  /** For so long nothing may happen on a connection otherwise. */
  readonly idleMs: number;
}

interface Held {
  /** The caller, or its network. */
  readonly holder: string;
  readonly bytes: number;
  readonly sinceMs: number;
  readonly socket: Socket;
}

export class Unread {
  readonly #limits: UnreadLimits;
  /** The oldest first. */
  readonly #held = new Set<Held>();
  #bytes = 0;

  constructor(limits: UnreadLimits) {
    this.#limits = limits;
  }

  /** Of all answers that wait to be taken. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** An answer was made and given to its connection. */
  made(request: IncomingMessage, answer: ServerResponse, times: UnreadTimes): void {
    const { socket } = request;
    // Of pipelined requests the later answers have no connection yet, but their bytes.
    const bytes = answer.writableLength;
    if (bytes <= HTTP_LIMITS.unreadBytes || socket.destroyed) return;
    const forwardedFor = request.headers["x-forwarded-for"];
    const { key, group } = this.#limits.identify(socket.remoteAddress, forwardedFor?.toString());
    const one: Held = { holder: group ?? key, bytes, sinceMs: this.#limits.nowMs(), socket };
    this.#held.add(one);
    this.#bytes += bytes;
    const gone = () => this.#drop(one);
    // Node looks whether any of it was taken, and only then lets the time be over.
    socket.setTimeout(times.stallMs);
    socket.once("close", gone);
    answer.once("finish", () => {
      gone();
      socket.off("close", gone);
      // Another one may be waited for on it; between requests Node has set a time of its own.
      if (socket.timeout === times.stallMs) socket.setTimeout(times.idleMs);
    });
    this.#makeRoom();
  }

  #makeRoom(): void {
    while (this.#bytes > this.#limits.totalBytes && this.#held.size > 1) {
      const loser = [...this.#held].find((one) => this.#isSlow(one)) ?? this.#oldestOfMost();
      if (loser === undefined) return;
      this.#drop(loser);
      loser.socket.destroy();
    }
  }

  #oldestOfMost(): Held | undefined {
    const sums = new Map<string, number>();
    for (const { holder, bytes } of this.#held) sums.set(holder, (sums.get(holder) ?? 0) + bytes);
    const most = Math.max(...sums.values());
    return [...this.#held].find(({ holder }) => sums.get(holder) === most);
  }

  #isSlow({ sinceMs, bytes }: Held): boolean {
    const ageMs = this.#limits.nowMs() - sinceMs;
    const { slowAfterMs, slowBytesPerSecond } = SHARING;
    return ageMs >= slowAfterMs && bytes < (slowBytesPerSecond * ageMs) / 1000;
  }

  #drop(one: Held): void {
    if (this.#held.delete(one)) this.#bytes -= one.bytes;
  }
}
