/** What one decision and one caller cost, with up to a million callers who wait. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FairQueue } from "../../src/queue/fair.ts";
import { quantile } from "../numbers.ts";
import { numbersFrom } from "./callers.ts";
import { LIMITS } from "./world.ts";

export interface Scale {
  readonly callers: number;
  /** Microseconds of submit, admit, charge and end of one job together. */
  readonly medianUs: number;
  readonly p99Us: number;
  readonly bytesPerCaller: number;
}

const ROUNDS = 20_000;

export function measureScale(callers: number): Scale {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const random = numbersFrom(callers);
  const limits = { ...LIMITS, slots: 64, totalWaiting: callers + 10, totalWaitingBytes: 1e15 };
  collect();
  const before = process.memoryUsage().heapUsed;
  const queue = new FairQueue(limits);
  const keys: string[] = [];
  for (let i = 0; i < callers; i++) {
    const key = `caller-${i}`;
    keys.push(key);
    queue.submit({ id: `first-${i}`, caller: { key, group: undefined }, inputBytes: 0 }, i / 1e3);
  }
  collect();
  const bytes = process.memoryUsage().heapUsed - before;
  const times: number[] = [];
  let nowMs = callers / 1e3;
  for (let round = 0; round < ROUNDS; round++) {
    nowMs += 0.1;
    const key = keys[Math.floor(random() * callers)] ?? "";
    const began = performance.now();
    const id = queue.admit(nowMs);
    if (id !== undefined) {
      queue.charge(id, random() * 100, nowMs);
      queue.ended(id, nowMs);
    }
    queue.submit({ id: `next-${round}`, caller: { key, group: undefined }, inputBytes: 0 }, nowMs);
    times.push((performance.now() - began) * 1000);
  }
  return {
    callers,
    medianUs: quantile(times, 0.5),
    p99Us: quantile(times, 0.99),
    bytesPerCaller: bytes / callers,
  };
}
