/**
 * What the queue knows of one caller: jobs that wait, in order, how many run, and the bucket.
 * `load` and `rankMs` say whose turn it is: see fair.ts.
 */
import { Heap } from "./heap.ts";

export interface WaitingJob {
  readonly id: string;
  readonly line: Line;
  readonly inputBytes: number;
  before: WaitingJob | undefined;
  after: WaitingJob | undefined;
}

/** Who competes for the next slot: a caller alone, or the callers of one network together. */
export type Contender = Line | Group;

export class Line {
  readonly kind = "line";
  readonly key: string;
  readonly group: Group | undefined;
  fullAtMs = 0;
  /** When the head of the line came there, and how many came to the head of any line before. */
  headSinceMs = 0;
  headNumber = 0;
  rankMs = 0;
  /** Until then its jobs come late to their turn. */
  lateUntilMs = 0;
  running = 0;
  waiting = 0;
  waitingBytes = 0;
  head: WaitingJob | undefined;
  tail: WaitingJob | undefined;
  /** Places in heaps: who is ready, who waits for credit, who holds most, who is idle. */
  readyAt = -1;
  brokeAt = -1;
  heavyAt = -1;
  idleAt = -1;

  constructor(key: string, group: Group | undefined) {
    this.key = key;
    this.group = group;
  }

  get isIdle(): boolean {
    return this.running === 0 && this.waiting === 0;
  }

  /** From then on there is nothing to remember of it, if it is idle. */
  get forgetAtMs(): number {
    return Math.max(this.fullAtMs, this.lateUntilMs);
  }

  /** Slots that it has, as a caller. */
  get load(): number {
    return this.running;
  }

  /** @returns whether the job is the head now */
  push(job: WaitingJob): boolean {
    job.before = this.tail;
    if (this.tail === undefined) this.head = job;
    else this.tail.after = job;
    this.tail = job;
    this.waiting += 1;
    this.waitingBytes += job.inputBytes;
    return this.head === job;
  }

  drop(job: WaitingJob): void {
    if (job.before === undefined) this.head = job.after;
    else job.before.after = job.after;
    if (job.after === undefined) this.tail = job.before;
    else job.after.before = job.before;
    this.waiting -= 1;
    this.waitingBytes -= job.inputBytes;
  }
}

/** Callers of one network, which count as `turns.length` callers at most. */
export class Group {
  readonly kind = "group";
  readonly key: string;
  fullAtMs = 0;
  rankMs = 0;
  headNumber = 0;
  running = 0;
  waiting = 0;
  waitingBytes = 0;
  /** Callers that are remembered. */
  lines = 0;
  readonly ready = new Heap<"readyAt", Line>("readyAt", isBefore);
  /** When its last admissions were, the oldest first: so many turns it has in a round. */
  readonly turns: number[];
  readyAt = -1;
  brokeAt = -1;
  idleAt = -1;

  constructor(key: string, turns: number) {
    this.key = key;
    this.turns = new Array<number>(turns).fill(0);
  }

  get isIdle(): boolean {
    return this.lines === 0;
  }

  get forgetAtMs(): number {
    return this.fullAtMs;
  }

  /** Slots that each of the callers has as whom it counts. */
  get load(): number {
    return Math.floor(this.running / this.turns.length);
  }
}

/** Whoever has fewer slots first; then the smaller rank; among equals whoever came first. */
export function isBefore(a: Contender, b: Contender): boolean {
  if (a.load !== b.load) return a.load < b.load;
  return a.rankMs === b.rankMs ? a.headNumber < b.headNumber : a.rankMs < b.rankMs;
}
