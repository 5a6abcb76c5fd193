/**
 * Callers who burn all the CPU time that they can get, from the beginning to the end of the test,
 * and who looks on: once their credit is gone, what each whole minute gave them is taken from the
 * service's bill and, as a witness of its own, from the control groups of their boxes.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { SHARING } from "../../src/core/limits.ts";
import type { Caller, Quota } from "./caller.ts";
import type { Counted } from "./counted.ts";

/** As many as a caller may have running. */
const AT_ONCE = 2;
/** What its bucket can be overdrawn by when it has some credit again: two looks of the service. */
export const OVERDRAFT_MS = 2 * AT_ONCE * SHARING.sampleMs;
const LOOK_MS = 1000;
export const MINUTE_MS = 60_000;

/** A hog at one moment. */
export interface HogLook {
  readonly atMs: number;
  /** CPU time, as the groups of its boxes counted it. */
  readonly countedMs: number;
  /** When its bucket will be full: each CPU-second that is charged moves that on. */
  readonly fullAtMs: number;
  readonly creditMs: number;
  /** How often the kernel looked at its boxes and how often it held one back. */
  readonly periods: number;
  readonly heldBack: number;
}

export class Hog {
  readonly #caller: Caller;
  readonly #counted: Counted;
  readonly #jobs: { readonly id: string; readonly slot: number }[] = [];

  constructor(caller: Caller, counted: Counted) {
    this.#caller = caller;
    this.#counted = counted;
  }

  get slots(): readonly number[] {
    return this.#jobs.map(({ slot }) => slot);
  }

  /** Resolves when its programs run. */
  async begin(): Promise<void> {
    const begun = [];
    for (let i = 0; i < AT_ONCE; i++) {
      const word = randomUUID();
      const body = { code: "while True: pass", args: [word], timeout: 3600 };
      begun.push({ id: await this.#caller.submit(body), word });
    }
    for (const { id, word } of begun) {
      let slot = this.#counted.slotOf(word);
      for (; slot === undefined; slot = this.#counted.slotOf(word)) {
        const wrong = await this.#endOf(id);
        if (wrong !== undefined) throw new Error(wrong);
        await sleep(50);
      }
      this.#jobs.push({ id, slot });
    }
  }

  /** @returns how it has ended, which it should not */
  async #endOf(id: string): Promise<string | undefined> {
    const { outcome, metrics } = await this.#caller.status(id);
    if (metrics !== undefined && outcome === undefined) return undefined;
    return `a hog has ended: ${JSON.stringify(outcome)}`;
  }

  async look(): Promise<HogLook> {
    const askedMs = performance.now();
    const quota: Quota = await this.#caller.quota();
    const answeredMs = performance.now();
    const held = this.slots.map((slot) => this.#counted.heldBack(slot));
    return {
      atMs: answeredMs,
      countedMs: this.slots.reduce((sum, slot) => sum + this.#counted.cpuMs(slot), 0),
      fullAtMs: (askedMs + answeredMs) / 2 + quota.refills_in * 1000,
      creditMs: quota.cpu_seconds_available * 1000,
      periods: held.reduce((sum, { periods }) => sum + periods, 0),
      heldBack: held.reduce((sum, { throttled }) => sum + throttled, 0),
    };
  }

  /** @returns what is wrong, if a job of it has ended before */
  async end(): Promise<string | undefined> {
    let wrong: string | undefined;
    for (const { id } of this.#jobs) {
      wrong ??= await this.#endOf(id);
      const status = await this.#caller.destroy(id);
      if (status !== 204) wrong ??= `to end a hog: ${status}`;
    }
    return wrong;
  }
}

/** All hogs and all boxes at the edge of a minute. */
export interface Edge {
  readonly hogs: readonly HogLook[];
  readonly all: AllLook;
}

/** All boxes at one moment. */
export interface AllLook {
  readonly atMs: number;
  /** By the control group of all programs, and by that of the boxes' own processes. */
  readonly countedMs: number;
  readonly boxesCountedMs: number;
  /** Of jobs that have ended: how many, and CPU time as the service told it, likewise. */
  readonly ended: number;
  readonly endedMs: number;
  readonly boxesEndedMs: number;
  /** What boxes of others hold that are still there. */
  readonly underWayMs: number;
}

/** Resolves when no hog has credit any more, or when it is late. */
export async function untilBroke(hogs: readonly Hog[], isLate: () => boolean): Promise<void> {
  for (;;) {
    const looks = await Promise.all(hogs.map((hog) => hog.look()));
    if (looks.every(({ creditMs }) => creditMs === 0) || isLate()) return;
    await sleep(LOOK_MS);
  }
}

/**
 * Looks at the hogs and at all boxes at the edges of minutes, from now on.
 * @param isOver asked until it holds; one minute is looked at to its end unless `isLate`
 */
export async function lookOn(
  hogs: readonly Hog[],
  lookAtAll: (hogSlots: readonly number[]) => AllLook,
  isOver: () => boolean,
  isLate: () => boolean,
): Promise<readonly Edge[]> {
  const edges: Edge[] = [];
  const slots = hogs.flatMap((hog) => hog.slots);
  while (!isLate() && !(isOver() && edges.length > 1)) {
    const nextMs = (edges.at(-1)?.all.atMs ?? -MINUTE_MS) + MINUTE_MS;
    await sleep(Math.min(LOOK_MS, Math.max(0, nextMs - performance.now())));
    if (performance.now() < nextMs) continue;
    const looks = await Promise.all(hogs.map((hog) => hog.look()));
    edges.push({ hogs: looks, all: lookAtAll(slots) });
  }
  return edges;
}
