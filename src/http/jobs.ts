/** Routes of a job that exists: status, logs, outputs, cancel and destroy. */
import { Refusal } from "../core/errors.ts";
import type { Outputs } from "../core/runner.ts";
import type { Engine, Job } from "../engine.ts";
import { logsAnswer, outputsAnswer, statusAnswer } from "./answers.ts";
import { type AppContext, type AppDeps, callerOf } from "./deps.ts";
import { events, wantsEvents } from "./events.ts";
import { PLAIN_TEXT } from "./headers.ts";
import { queryOf, takeWaitMs } from "./query.ts";
import { respond, respondJson } from "./respond.ts";
import { hangUpOf, wipeWhenSent } from "./sent.ts";

/**
 * The job of `:id`.
 * @throws Refusal not_found, the same for unknown, malformed, foreign and destroyed ids: the id is
 *   the only right to a job, so nothing may be learnt by asking for others
 */
export function jobOf(c: AppContext, engine: Engine): Job {
  const job = engine.find(c.req.param("id") ?? "");
  if (job === undefined) throw new Refusal("not_found");
  return job;
}

/** @throws Refusal not_finished; not_found with the reason when its outputs are gone */
export function outputsOf(job: Job): Outputs {
  if (job.end === undefined) throw new Refusal("not_finished");
  if (job.outputs === undefined) {
    throw new Refusal(
      "not_found",
      job.state === "failed"
        ? "The job failed, so its output files were destroyed at once."
        : "The job's output files were destroyed to make room for newer ones.",
    );
  }
  return job.outputs;
}

/** With `?wait=` the answer comes when the job has ended, or after so many seconds. */
export async function status(c: AppContext, deps: AppDeps): Promise<Response> {
  const waitMs = takeWaitMs(queryOf(c), 0);
  const { id } = jobOf(c, deps.engine);
  if (waitMs > 0) await deps.engine.waitFor(id, waitMs, hangUpOf(c));
  // Looked up again: it may have been destroyed meanwhile.
  const job = jobOf(c, deps.engine);
  return respondJson(c, 200, statusAnswer(job, deps.engine.position(job.id), deps.nowMs()));
}

export async function logs(c: AppContext, deps: AppDeps): Promise<Response> {
  const { log } = jobOf(c, deps.engine);
  const accept = c.req.header("accept") ?? "";
  if (wantsEvents(accept)) return events(c, deps, jobOf(c, deps.engine));
  const isPlain = prefersPlain(accept);
  const caller = callerOf(c, deps.callers);
  await deps.engine.bills.spend(caller, log.lengthBytes, isPlain ? "sent" : "told");
  const job = jobOf(c, deps.engine);
  if (!isPlain) return respondJson(c, 200, logsAnswer(job));
  const truncated = job.log.truncated("stdout") || job.log.truncated("stderr");
  const printed = job.log.both();
  wipeWhenSent(c, printed);
  return respond(c, 200, printed, {
    "Content-Type": PLAIN_TEXT,
    ...(truncated ? { "Sandrun-Truncated": "true" } : {}),
  });
}

export function stream(c: AppContext, deps: AppDeps): Response {
  return events(c, deps, jobOf(c, deps.engine));
}

export function outputs(c: AppContext, deps: AppDeps): Response {
  const job = jobOf(c, deps.engine);
  if (job.end === undefined) throw new Refusal("not_finished");
  return respondJson(c, 200, outputsAnswer(job.outputs));
}

export async function destroy(c: AppContext, deps: AppDeps): Promise<Response> {
  await deps.engine.destroy(jobOf(c, deps.engine).id);
  return c.body(null, 204);
}

/** Only when text/plain is asked for by name, and JSON is not asked for before it. */
function prefersPlain(accept: string): boolean {
  const plain = accept.search(/text\/plain/i);
  const json = accept.search(/application\/json/i);
  return plain >= 0 && (json < 0 || plain < json);
}
