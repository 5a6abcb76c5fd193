import type { BucketSize } from "./bucket.ts";

export interface FairLimits {
  /** Jobs that run at once, of all callers. */
  readonly slots: number;
  /** Of one caller. */
  readonly running: number;
  readonly waiting: number;
  readonly waitingBytes: number;
  readonly bucket: BucketSize;
  /** As how many callers a group counts. */
  readonly callersOfGroup: number;
  /** Of all callers. */
  readonly totalWaiting: number;
  readonly totalWaitingBytes: number;
}
