/**
 * Boxes that wait for their job.
 *
 * A box takes longer to make than a small job to run, so some are made ahead: of the kinds that
 * were asked for lately, as many as were used at once, none after a while without work. A box
 * that waits is as virgin as one that was just made (nothing of a job was ever in it) and is used
 * once. It holds its slot; when a job of another kind needs one and none is free, the box that
 * has waited longest gives way. Jobs that find no box waiting are served in the order in which
 * they came. What one caller can do to others by using up what waits is to make them wait for a
 * box to be made, as if there were no pool.
 *
 * Keeps S11 of SECURITY.md.
 */
import type { StopSignal } from "../core/stop.ts";
import { Demand } from "./demand.ts";

/** What the pool needs to know of a box. */
export interface Poolable {
  /** Resolves when nothing of it is left, whoever ended it. */
  readonly gone: Promise<void>;
  /** Resolves when nothing of it is left. */
  destroy(): Promise<void>;
}

/** A box that nobody else has, and its slot. */
export interface Leased<B> {
  readonly box: B;
  readonly slot: number;
  /** It was made before its job was known. */
  readonly hasWaited: boolean;
  /** Destroys it; resolves when it is gone and its slot free. May be called again. */
  release(): Promise<void>;
}

export interface PoolParts<B extends Poolable> {
  readonly slots: { lease(): number | undefined; release(slot: number): void };
  /** Boxes that may wait at once; 0 = every box is made when it is needed. */
  readonly mostWaiting: number;
  /** @throws what a job that waits for it is told; nothing of the box is left then */
  readonly build: (slot: number, kind: string) => Promise<B>;
  /** A box of this kind that has waited for longer is made anew. */
  readonly freshMs: (kind: string) => number;
  readonly nowMs: () => number;
}

interface Waiting<B> {
  readonly box: B;
  readonly slot: number;
  readonly kind: string;
  readonly sinceMs: number;
}

interface Taker<B> extends PromiseWithResolvers<Leased<B>> {
  readonly kind: string;
}

/** Boxes made at once while jobs wait for them, and while none does. */
const BUILDS_MOST = 8;
const AHEAD_MOST = 2;
/** How often is looked for boxes that have waited too long. */
const LOOK_MS = 5_000;

export class BoxPool<B extends Poolable> {
  readonly #parts: PoolParts<B>;
  readonly #takers = new Set<Taker<B>>();
  readonly #waiting: Waiting<B>[] = [];
  /** Boxes that are being made, by kind, and all of them. */
  readonly #building = new Map<string, number>();
  #buildingCount = 0;
  readonly #demands = new Map<string, Demand>();
  /** Boxes that are being made, and those that die. */
  readonly #work = new Set<Promise<void>>();
  #dying = 0;
  #lookTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: PoolParts<B>) {
    this.#parts = parts;
  }

  /** Boxes that wait, by kind. */
  get waiting(): readonly string[] {
    return this.#waiting.map(({ kind }) => kind);
  }

  /**
   * A box of that kind: one that waits, or else one that is made.
   * @throws the signal's reason when it is aborted first; what `build` threw
   */
  async take(kind: string, signal: StopSignal): Promise<Leased<B>> {
    if (signal.aborted) throw signal.reason;
    this.#demandFor(kind).taken(this.#parts.nowMs());
    const found = this.#waiting.findIndex((one) => one.kind === kind);
    const [box] = found === -1 ? [] : this.#waiting.splice(found, 1);
    if (box !== undefined) {
      // The job first: making the next one must not hold it up.
      setImmediate(() => this.#balance());
      return this.#leased(box.box, box.slot, kind, true);
    }
    const taker: Taker<B> = { kind, ...Promise.withResolvers<Leased<B>>() };
    this.#takers.add(taker);
    const giveUp = () => {
      if (!this.#takers.delete(taker)) return;
      this.#demandFor(kind).givenBack();
      taker.reject(signal.reason);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    this.#balance();
    try {
      return await taker.promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Makes no more; resolves when none is left of those that waited or were given back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#lookTimer);
    for (const one of [...this.#waiting]) this.#drop(one);
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #demandFor(kind: string): Demand {
    const demand = this.#demands.get(kind) ?? new Demand(this.#parts.nowMs());
    this.#demands.set(kind, demand);
    return demand;
  }

  #leased(box: B, slot: number, kind: string, hasWaited: boolean): Leased<B> {
    let released: Promise<void> | undefined;
    const release = () => {
      if (released !== undefined) return released;
      this.#demandFor(kind).givenBack();
      released = this.#bury(box, slot);
      return released;
    };
    return { box, slot, hasWaited, release };
  }

  /** The slot is free again only when the box was waited for. */
  #bury(box: B, slot: number): Promise<void> {
    this.#dying += 1;
    return this.#track(
      box.destroy().then(() => {
        this.#dying -= 1;
        this.#parts.slots.release(slot);
        this.#balance();
      }),
    );
  }

  #track(work: Promise<void>): Promise<void> {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
    return tracked;
  }

  /** Makes what is needed now, then what will be. */
  #balance(): void {
    if (this.#isClosed) return;
    const needed = this.#needed();
    for (const kind of needed) {
      if (this.#buildingCount >= BUILDS_MOST) return;
      const slot = this.#parts.slots.lease();
      if (slot === undefined) {
        this.#giveWay();
        return;
      }
      void this.#track(this.#build(slot, kind));
    }
    if (needed.length === 0) this.#buildAhead();
    if (this.#parts.mostWaiting > 0) {
      this.#lookTimer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    }
  }

  /** Kinds of boxes that jobs wait for and that are not being made yet, in the order of the jobs. */
  #needed(): readonly string[] {
    if (this.#isCovered()) return [];
    const needed: string[] = [];
    const building = new Map(this.#building);
    for (const { kind } of this.#takers) {
      const left = building.get(kind) ?? 0;
      if (left === 0) needed.push(kind);
      else building.set(kind, left - 1);
    }
    return needed;
  }

  /** For each job that waits a box of its kind is being made; false when it takes more to tell. */
  #isCovered(): boolean {
    if (this.#takers.size === 0) return true;
    if (this.#takers.size > this.#buildingCount || this.#building.size > 1) return false;
    const [kind] = this.#building.keys();
    for (const taker of this.#takers) if (taker.kind !== kind) return false;
    return true;
  }

  /** A job needs the slot of a box that waits for another kind. */
  #giveWay(): void {
    const [longest] = this.#waiting;
    if (longest !== undefined && this.#dying === 0) this.#drop(longest);
  }

  /** Kinds share the places: one that was asked for by many would leave none to the others. */
  #buildAhead(): void {
    const { mostWaiting, slots } = this.#parts;
    if (this.#buildingCount >= AHEAD_MOST || mostWaiting === 0) return;
    const nowMs = this.#parts.nowMs();
    const active = [...this.#demands].filter(([, demand]) => !demand.isIdle(nowMs));
    const share = Math.max(1, Math.floor(mostWaiting / Math.max(1, active.length)));
    const waiting = (kind: string) => this.#waiting.filter((one) => one.kind === kind).length;
    for (const [kind, demand] of active.sort(([, one], [, other]) => other.since(one))) {
      const wanted = Math.min(demand.wanted(nowMs), share);
      let missing = wanted - waiting(kind) - (this.#building.get(kind) ?? 0);
      for (; missing > 0; missing--) {
        if (this.#buildingCount >= AHEAD_MOST) return;
        if (this.#waiting.length + this.#buildingCount >= mostWaiting) {
          const more = this.#waiting.find((one) => waiting(one.kind) > share);
          if (more !== undefined) this.#drop(more);
          return;
        }
        const slot = slots.lease();
        if (slot === undefined) return;
        void this.#track(this.#build(slot, kind));
      }
    }
  }

  async #build(slot: number, kind: string): Promise<void> {
    this.#countBuilding(kind, 1);
    const built = await this.#parts.build(slot, kind).catch((fault: unknown) => ({ fault }));
    this.#countBuilding(kind, -1);
    const taker = this.#takeTaker(kind);
    if ("fault" in built) {
      this.#parts.slots.release(slot);
      // Made ahead, it is tried again when somebody comes: not over and over.
      if (taker === undefined && this.#takers.size === 0) return;
      if (taker !== undefined) this.#demandFor(kind).givenBack();
      taker?.reject(built.fault);
    } else if (taker !== undefined) {
      taker.resolve(this.#leased(built, slot, kind, false));
    } else {
      this.#park({ box: built, slot, kind, sinceMs: this.#parts.nowMs() });
    }
    this.#balance();
  }

  #countBuilding(kind: string, change: 1 | -1): void {
    this.#buildingCount += change;
    const count = (this.#building.get(kind) ?? 0) + change;
    if (count === 0) this.#building.delete(kind);
    else this.#building.set(kind, count);
  }

  /** Whoever waits longest for a box of that kind, and now no more. */
  #takeTaker(kind: string): Taker<B> | undefined {
    for (const taker of this.#takers) {
      if (taker.kind !== kind) continue;
      this.#takers.delete(taker);
      return taker;
    }
    return undefined;
  }

  #park(one: Waiting<B>): void {
    this.#waiting.push(one);
    if (this.#isClosed || this.#waiting.length > this.#parts.mostWaiting) this.#drop(one);
    // It may die while it waits, with its keeper for example.
    else void one.box.gone.then(() => this.#drop(one));
  }

  /** Nothing, when it does not wait any more. */
  #drop(one: Waiting<B>): void {
    const index = this.#waiting.indexOf(one);
    if (index === -1) return;
    this.#waiting.splice(index, 1);
    void this.#bury(one.box, one.slot);
  }

  #look(): void {
    const nowMs = this.#parts.nowMs();
    for (const one of [...this.#waiting]) {
      const isStale = nowMs - one.sinceMs >= this.#parts.freshMs(one.kind);
      if (isStale || this.#demandFor(one.kind).isIdle(nowMs)) this.#drop(one);
    }
    for (const [kind, demand] of this.#demands) {
      if (demand.isIdle(nowMs) && !demand.isUsed) this.#demands.delete(kind);
    }
    if (this.#demands.size > 0) return;
    clearInterval(this.#lookTimer);
    this.#lookTimer = undefined;
  }
}
