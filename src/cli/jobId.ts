/** The one operand of the commands that look at a job of a server. */
import type { Parsed } from "./usage.ts";
import { UsageError } from "./usage.ts";

/** @throws UsageError */
export function jobIdOf(parsed: Parsed): string {
  const [jobId, ...more] = parsed.rest;
  if (jobId === undefined) throw new UsageError("which job? give its id");
  if (more.length > 0) throw new UsageError("one job id at a time");
  return jobId;
}
