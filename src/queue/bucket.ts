/**
 * A bucket of CPU time as a single number: the moment at which it is full again. Time refills it
 * without anybody doing anything; to take from it moves that moment on; a moment that has passed
 * says no more than "full". It is empty when the moment is a whole refill away, and further away
 * it is in debt. Buckets of one size compare by their moments alone, now and at any later time,
 * which is what lets callers stand in a heap that time does not disturb.
 */

/** Of buckets of one size: CPU-milliseconds. */
export interface BucketSize {
  readonly capacityMs: number;
  /** CPU-milliseconds a millisecond, which is: cores. */
  readonly refill: number;
}

/** How long it takes to fill an empty one. */
export function spanMs({ capacityMs, refill }: BucketSize): number {
  return capacityMs / refill;
}

/** @returns when it is full again after `cpuMs` were taken, which may leave a debt */
export function taken(fullAtMs: number, cpuMs: number, size: BucketSize, nowMs: number): number {
  return Math.max(fullAtMs, nowMs) + cpuMs / size.refill;
}

/** CPU-milliseconds that are left; below 0 it is a debt. */
export function leftMs(fullAtMs: number, size: BucketSize, nowMs: number): number {
  return size.capacityMs - Math.max(0, fullAtMs - nowMs) * size.refill;
}
