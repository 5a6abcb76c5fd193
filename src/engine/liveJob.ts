/** What exists of a job only between submit and end. */
import type { Outcome } from "../core/job.ts";
import type { JobSpec } from "../core/runner.ts";
import { Stop } from "../core/stop.ts";
import { type OwnedSpec, ownSpec } from "../store/input.ts";
import { LiveInput } from "../store/liveInput.ts";
import type { JobRecord } from "../store/record.ts";

export interface LiveJob {
  readonly record: JobRecord;
  readonly spec: OwnedSpec;
  readonly input: LiveInput;
  readonly stop: Stop;
  readonly ended: PromiseWithResolvers<void>;
  /** Set when its outputs went at once. */
  dropped: Promise<void> | undefined;
  /** Why we had to stop it, when it was our fault. */
  fault: Outcome | undefined;
}

export function liveJob(record: JobRecord, spec: JobSpec): LiveJob {
  return {
    record,
    spec: ownSpec(spec),
    input: new LiveInput(spec.manifest.interactive),
    stop: new Stop(),
    ended: Promise.withResolvers<void>(),
    dropped: undefined,
    fault: undefined,
  };
}
