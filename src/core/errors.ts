/**
 * Errors of three kinds, never mixed:
 * - how a program ended is a value (`Outcome` in job.ts), not an error;
 * - what we refuse is a `Refusal`, with a code from the table below;
 * - a fault of ours is any other `Error`, with a cause and without job content.
 */

/** code → HTTP status and the sentence a caller reads. */
export const REFUSALS = {
  bad_request: { status: 400, sentence: "The request could not be understood." },
  bad_manifest: { status: 400, sentence: "The manifest has a field that is wrong." },
  bad_archive: { status: 400, sentence: "The archive cannot be used." },
  bad_path: { status: 400, sentence: "A file's path cannot be used." },
  unsupported: { status: 400, sentence: "This is not built yet." },
  unknown_interpreter: { status: 400, sentence: "There is no such interpreter here." },
  unknown_environment: { status: 400, sentence: "There is no such environment here." },
  not_for_pages: { status: 403, sentence: "Web pages may not use this address." },
  not_found: { status: 404, sentence: "There is no such job or file." },
  no_route: { status: 404, sentence: "There is nothing at this address." },
  method_not_allowed: { status: 405, sentence: "This address does not take that method." },
  not_finished: { status: 409, sentence: "The job has not finished yet." },
  not_running: { status: 409, sentence: "The job is not running." },
  stdin_closed: { status: 409, sentence: "The job takes no standard input any more." },
  too_large: { status: 413, sentence: "That is larger than the limit." },
  unsupported_media_type: { status: 415, sentence: "This content type is not understood." },
  caller_busy: { status: 429, sentence: "You have as many jobs here as one caller may have." },
  too_many_streams: { status: 429, sentence: "Too many connections are open at once." },
  queue_full: { status: 503, sentence: "The queue is full; try again later." },
  unhealthy: { status: 503, sentence: "The sandbox is not ready." },
} as const;

export type RefusalCode = keyof typeof REFUSALS;

/** Something that we refuse to do; the caller's to mend. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly status: number;
  /** What exactly was wrong: a field, an archive entry, a limit. Shown to the caller. */
  readonly details: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: RefusalCode, details?: string, retryAfterSeconds?: number) {
    super(REFUSALS[code].sentence);
    this.name = "Refusal";
    this.code = code;
    this.status = REFUSALS[code].status;
    this.details = details;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/**
 * The sandbox failed, not the program: the job ends as `sandbox_error` with this step.
 * `step` names the call that failed (for example "mount /usr"), never job content.
 */
export class SandboxFault extends Error {
  readonly step: string;
  /** `errno` of the failed call, 0 when it was not a system call. */
  readonly errno: number;

  constructor(step: string, errno = 0, options?: ErrorOptions) {
    super(errno === 0 ? step : `${step}: errno ${errno}`, options);
    this.name = "SandboxFault";
    this.step = step;
    this.errno = errno;
  }
}
