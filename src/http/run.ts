/** `POST /run` and `POST /submit`: a request becomes a job; `/run` also waits for its end. */
import type { Caller } from "../core/caller.ts";
import { Refusal } from "../core/errors.ts";
import { SERVICE_LIMITS } from "../core/limits.ts";
import type { Job } from "../engine.ts";
import { inlineFiles, resultAnswer, statusAnswer } from "./answers.ts";
import { type AppContext, type AppDeps, callerOf } from "./deps.ts";
import { sandboxErrorResponse } from "./errors.ts";
import { PLAIN_TEXT } from "./headers.ts";
import { readJob } from "./intake.ts";
import { faultFields } from "./log.ts";
import { queryOf, takeWaitMs } from "./query.ts";
import { respond, respondJson } from "./respond.ts";
import { hangUpOf, whenSent, wipeWhenSent } from "./sent.ts";

/** Bodies that can say all of a manifest. */
const DOCUMENTS = ["application/json", "multipart/form-data"] as const;
const RUNNABLE = ["text/plain", ...DOCUMENTS] as const;

type EndedJob = Job & { readonly end: NonNullable<Job["end"]> };

export async function submit(c: AppContext, deps: AppDeps): Promise<Response> {
  const caller = callerOf(c, deps.callers);
  const query = queryOf(c);
  const { spec } = await readJob(c, caller, query, deps, DOCUMENTS, true);
  const { job, position } = deps.engine.submit(caller, spec);
  return respondJson(c, 202, { job_id: job.id, status: "queued", queue_position: position });
}

export async function run(c: AppContext, deps: AppDeps): Promise<Response> {
  const caller = callerOf(c, deps.callers);
  const query = queryOf(c);
  const waitMs = takeWaitMs(query, SERVICE_LIMITS.runWaitSeconds.usual);
  const { job, answer } = await submitted(c, caller, query, deps);
  const hangUp = hangUpOf(c);
  await deps.engine.waitFor(job.id, waitMs, hangUp);
  if (hangUp.aborted) {
    await deps.engine.destroy(job.id);
    throw new Refusal("bad_request", "The client hung up.");
  }
  if (deps.engine.find(job.id) === undefined) throw new Refusal("not_found");
  if (!hasEnded(job)) return stillRunning(c, deps, job);
  return answer === "text" ? textResult(c, deps, job) : await jsonResult(c, deps, job);
}

/** A function of its own, so that the input is not held by the wait that follows. */
async function submitted(
  c: AppContext,
  caller: Caller,
  query: URLSearchParams,
  deps: AppDeps,
): Promise<{ job: Job; answer: "text" | "json" }> {
  const { spec, answer } = await readJob(c, caller, query, deps, RUNNABLE, false);
  return { job: deps.engine.submit(caller, spec).job, answer };
}

function hasEnded(job: Job): job is EndedJob {
  return job.end !== undefined;
}

function stillRunning(c: AppContext, deps: AppDeps, job: Job): Response {
  const answer = statusAnswer(job, deps.engine.position(job.id), deps.nowMs());
  return respondJson(c, 202, answer, { "Sandrun-Job-Id": job.id });
}

/** Printed bytes exactly as they came; output files cannot be in it, so they are kept. */
function textResult(c: AppContext, deps: AppDeps, job: EndedJob): Response {
  const { outcome } = job.end;
  const headers = {
    "Sandrun-Job-Id": job.id,
    "Sandrun-Outcome": outcome.kind,
    ...(outcome.kind === "exited" ? { "Sandrun-Exit-Code": String(outcome.exitCode) } : {}),
    ...(job.log.truncated("stdout") ? { "Sandrun-Truncated": "true" } : {}),
  };
  // The program did not run to an end of its own, and plain text has no place to say so.
  if (outcome.kind === "sandbox_error") return sandboxErrorResponse(outcome.step, headers);
  destroyWhenSent(c, deps, job, (job.outputs?.files.length ?? 0) > 0);
  const printed = job.log.both();
  wipeWhenSent(c, printed);
  return respond(c, 200, printed, { "Content-Type": PLAIN_TEXT, ...headers });
}

async function jsonResult(c: AppContext, deps: AppDeps, job: EndedJob): Promise<Response> {
  const lease = deps.engine.lease(job.id);
  try {
    const { files, complete } = await inlineFiles(job.outputs);
    const answer = resultAnswer(job, files);
    destroyWhenSent(c, deps, job, !complete);
    return respondJson(c, 200, answer, { "Sandrun-Job-Id": job.id });
  } finally {
    lease?.end(false);
  }
}

/** @param keep outputs did not fit in the answer: the caller may fetch them until they expire */
function destroyWhenSent(c: AppContext, deps: AppDeps, job: Job, keep: boolean): void {
  whenSent(c, (whole) => {
    // Whoever hung up never read the id, so nobody could ask for what is kept.
    if (keep && whole) return;
    deps.engine.destroy(job.id).catch((fault) => deps.log(faultFields(fault)));
  });
}
