/**
 * The callers that the queue remembers, and where each stands: in the heap of those who are ready
 * (below their running limit, with a job that waits), of those by how much they hold, or of those
 * who are idle and wait to be forgotten. `settle` puts a caller where it belongs after any change.
 */
import type { Caller } from "../core/caller.ts";
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
  readonly #heavy: Heap<"heavyAt", Line>;
  readonly #idle = new Heap<"idleAt", Contender>("idleAt", (a, b) => a.fullAtMs < b.fullAtMs);
  #heads = 0;
  /** Of all callers. */
  waiting = 0;
  waitingBytes = 0;

  constructor(limits: FairLimits) {
    this.#limits = limits;
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

  /** Whose turn it is; its rank, as it competes, is `firstRankMs`. */
  next(): Line | undefined {
    const first = this.#ready.first;
    return first?.kind === "group" ? first.ready.first : first;
  }

  firstRankMs(): number | undefined {
    return this.#ready.first?.rankMs;
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

  join(job: WaitingJob, nowMs: number): void {
    const { line } = job;
    if (line.push(job)) this.#comesToHead(line, nowMs);
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

  admit(job: WaitingJob, nowMs: number): void {
    const { line } = job;
    this.#takeOut(job);
    this.#comesToHead(line, nowMs);
    line.running += 1;
    if (line.group !== undefined) {
      line.group.running += 1;
      line.group.turns.shift();
      line.group.turns.push(nowMs);
    }
    this.settle(line);
  }

  ended(line: Line): void {
    line.running -= 1;
    if (line.group !== undefined) line.group.running -= 1;
    this.settle(line);
  }

  /** Where the line belongs, and its group, after anything about them has changed. */
  settle(line: Line): void {
    const { group } = line;
    const heap = group?.ready ?? this.#ready;
    line.rankMs = Math.max(line.fullAtMs, line.headSinceMs);
    if (line.waiting > 0 && line.running < this.#limits.running) heap.put(line);
    else heap.remove(line);
    if (group !== undefined) this.#settleGroup(group);
    if (line.waiting > 0) this.#heavy.put(line);
    else this.#heavy.remove(line);
    if (line.isIdle) this.#idle.put(line);
    else this.#idle.remove(line);
  }

  #settleGroup(group: Group): void {
    const best = group.ready.first;
    const { running, callersOfGroup } = this.#limits;
    if (best === undefined || group.running >= running * callersOfGroup) {
      this.#ready.remove(group);
      return;
    }
    group.rankMs = Math.max(best.rankMs, group.fullAtMs, group.turns[0] ?? 0);
    group.headNumber = best.headNumber;
    this.#ready.put(group);
  }

  /** Forgets idle callers and groups whose buckets are full. */
  forget(nowMs: number, most = FORGET_AT_ONCE): void {
    for (let left = most; left > 0; left--) {
      const first = this.#idle.first;
      if (first === undefined || first.fullAtMs > nowMs) return;
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

  #comesToHead(line: Line, nowMs: number): void {
    line.headSinceMs = nowMs;
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
