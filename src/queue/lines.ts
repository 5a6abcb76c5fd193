/**
 * The callers that the queue remembers, and where each stands: in the heap of those who are ready
 * (below their running limit, with a job that waits), or would be if they had credit, of those by
 * how much they hold, or of those who are idle and wait to be forgotten. `settle` puts a caller
 * where it belongs after any change; `pass` does when credit comes with time.
 */
import type { Caller } from "../core/caller.ts";
import { spanMs } from "./bucket.ts";
import { Heap } from "./heap.ts";
import type { FairLimits } from "./limits.ts";
import { type Contender, Group, isBefore, Line, type WaitingJob } from "./line.ts";

/** Idle callers that one operation forgets; more than the one that it can make. */
const FORGET_AT_ONCE = 4;

export class Lines {
  readonly #limits: FairLimits;
  readonly #lines = new Map<string, Line>();
  readonly #groups = new Map<string, Group>();
  readonly #ready = new Heap<"readyAt", Contender>("readyAt", isBefore);
  readonly #broke = new Heap<"brokeAt", Contender>("brokeAt", isFullBefore);
  readonly #heavy: Heap<"heavyAt", Line>;
  readonly #idle = new Heap<"idleAt", Contender>("idleAt", (a, b) => a.forgetAtMs < b.forgetAtMs);
  readonly #spanMs: number;
  #nowMs = 0;
  #heads = 0;
  /** Of all callers. */
  waiting = 0;
  waitingBytes = 0;

  constructor(limits: FairLimits) {
    this.#limits = limits;
    this.#spanMs = spanMs(limits.bucket);
    const isHeavier = (a: Line, b: Line) => this.shareOf(a) > this.shareOf(b);
    this.#heavy = new Heap<"heavyAt", Line>("heavyAt", isHeavier);
  }

  get size(): number {
    return this.#lines.size;
  }

  has(key: string): boolean {
    return this.#lines.has(key) || this.#groups.has(key);
  }

  find(caller: Caller): Line | undefined {
    return this.#lines.get(caller.key);
  }

  /** That caller's, made if there is none; the caller of this method settles it. */
  of(caller: Caller): Line {
    const known = this.#lines.get(caller.key);
    if (known !== undefined) return known;
    const group = caller.group === undefined ? undefined : this.#groupOf(caller.group);
    const line = new Line(caller.key, group);
    this.#lines.set(caller.key, line);
    if (group !== undefined) {
      group.lines += 1;
      this.#idle.remove(group);
    }
    return line;
  }

  #groupOf(key: string): Group {
    const group = this.#groups.get(key) ?? new Group(key, this.#limits.callersOfGroup);
    this.#groups.set(key, group);
    return group;
  }

  /** Of the caller's bucket or its network's, whichever is full later. */
  fullAtMs(caller: Caller): number {
    const shared = caller.group === undefined ? undefined : this.#groups.get(caller.group);
    return Math.max(this.find(caller)?.fullAtMs ?? 0, shared?.fullAtMs ?? 0);
  }

  /** The time has come to be this. */
  pass(nowMs: number): void {
    this.#nowMs = nowMs;
    for (let first = this.#broke.first; first !== undefined; first = this.#broke.first) {
      if (this.#isBroke(first)) break;
      if (first.kind === "group") this.#settleGroup(first);
      else this.settle(first);
    }
    this.forget(FORGET_AT_ONCE);
  }

  /** Whose turn it is among those with credit. */
  next(): Line | undefined {
    const first = this.#ready.first;
    return first?.kind === "group" ? first.ready.first : first;
  }

  /** When the next of those without credit has some; undefined = nobody is without. */
  nextCreditAtMs(): number | undefined {
    const first = this.#broke.first;
    return first === undefined ? undefined : Math.floor(first.fullAtMs - this.#spanMs) + 1;
  }

  /** Since when it has had credit, or the network with which it shares it. */
  creditSinceMs({ fullAtMs, group }: Line): number {
    return Math.max(fullAtMs, group?.fullAtMs ?? 0) - this.#spanMs;
  }

  #isBroke({ fullAtMs }: Contender): boolean {
    return fullAtMs - this.#nowMs >= this.#spanMs;
  }

  /** Who holds most of what is there for waiting jobs. */
  heaviest(): Line | undefined {
    return this.#heavy.first;
  }

  /** The larger part of two: of all places, of all bytes. */
  shareOf({ waiting, waitingBytes }: { waiting: number; waitingBytes: number }): number {
    const { totalWaiting, totalWaitingBytes } = this.#limits;
    return Math.max(waiting / totalWaiting, waitingBytes / totalWaitingBytes);
  }

  join(job: WaitingJob): void {
    const { line } = job;
    if (line.push(job)) this.#comesToHead(line);
    this.waiting += 1;
    this.waitingBytes += job.inputBytes;
    if (line.group !== undefined) {
      line.group.waiting += 1;
      line.group.waitingBytes += job.inputBytes;
    }
    this.settle(line);
  }

  /** The line keeps its place: another job of the same caller comes to its head. */
  drop(job: WaitingJob): void {
    this.#takeOut(job);
    this.settle(job.line);
  }

  admit(job: WaitingJob): void {
    const { line } = job;
    this.#takeOut(job);
    this.#comesToHead(line);
    line.running += 1;
    if (line.group !== undefined) {
      line.group.running += 1;
      line.group.turns.shift();
      line.group.turns.push(this.#nowMs);
    }
    this.settle(line);
  }

  ended(line: Line): void {
    line.running -= 1;
    if (line.group !== undefined) line.group.running -= 1;
    this.settle(line);
  }

  comesLate(line: Line, untilMs: number): void {
    line.lateUntilMs = untilMs;
    line.headSinceMs = Math.max(line.headSinceMs, untilMs);
    this.settle(line);
  }

  /** Where the line belongs, and its group, after anything about them has changed. */
  settle(line: Line): void {
    const { group } = line;
    line.rankMs = Math.max(line.fullAtMs, line.headSinceMs);
    const wants = line.waiting > 0 && line.running < this.#limits.running;
    const isReady = wants && !this.#isBroke(line);
    if (group === undefined) place(this.#ready, line, isReady);
    else place(group.ready, line, isReady);
    place(this.#broke, line, wants && this.#isBroke(line));
    if (group !== undefined) this.#settleGroup(group);
    place(this.#heavy, line, line.waiting > 0);
    place(this.#idle, line, line.isIdle);
  }

  #settleGroup(group: Group): void {
    const best = group.ready.first;
    const { running, callersOfGroup } = this.#limits;
    const wants = best !== undefined && group.running < running * callersOfGroup;
    group.rankMs = Math.max(best?.rankMs ?? 0, group.fullAtMs, group.turns[0] ?? 0);
    group.headNumber = best?.headNumber ?? 0;
    place(this.#ready, group, wants && !this.#isBroke(group));
    place(this.#broke, group, wants && this.#isBroke(group));
  }

  /** Forgets idle callers and groups whose buckets are full. */
  forget(most: number): void {
    for (let left = most; left > 0; left--) {
      const first = this.#idle.first;
      if (first === undefined || first.forgetAtMs > this.#nowMs) return;
      this.#idle.remove(first);
      if (first.kind === "group") this.#groups.delete(first.key);
      else this.#forgetLine(first);
    }
  }

  #forgetLine({ key, group }: Line): void {
    this.#lines.delete(key);
    if (group === undefined) return;
    group.lines -= 1;
    if (group.isIdle) this.#idle.put(group);
  }

  /** See `FairQueue.position`. */
  position(job: WaitingJob): number {
    let own = 0;
    for (let ahead = job.before; ahead !== undefined; ahead = ahead.before) own += 1;
    let before = own;
    for (const other of this.#heavy) {
      if (other === job.line) continue;
      const turns = isBefore(other, job.line) ? own + 1 : own;
      before += Math.min(other.waiting, turns);
    }
    return before + 1;
  }

  #comesToHead(line: Line): void {
    line.headSinceMs = Math.max(this.#nowMs, line.lateUntilMs);
    this.#heads += 1;
    line.headNumber = this.#heads;
  }

  #takeOut(job: WaitingJob): void {
    const { line } = job;
    line.drop(job);
    this.waiting -= 1;
    this.waitingBytes -= job.inputBytes;
    if (line.group === undefined) return;
    line.group.waiting -= 1;
    line.group.waitingBytes -= job.inputBytes;
  }
}

function isFullBefore(a: Contender, b: Contender): boolean {
  return a.fullAtMs < b.fullAtMs;
}

function place<Field extends string, Item extends Record<Field, number>>(
  heap: Heap<Field, Item>,
  item: Item,
  isIn: boolean,
): void {
  if (isIn) heap.put(item);
  else heap.remove(item);
}
