/**
 * Piston's HTTP API over ours: a request is translated, asked of `/run` as its caller, and the
 * answer translated back. For clients of the public service that closed: they need a new address
 * and nothing else.
 *
 * Keeps S14 of SECURITY.md.
 */
import { SandrunClient } from "../client/client.ts";
import { ApiError } from "../client/errors.ts";
import { REFUSALS, Refusal } from "../core/errors.ts";
import { SERVICE_LIMITS, TRANSFER_LIMITS } from "../core/limits.ts";
import type { AppContext, AppDeps } from "../http/deps.ts";
import type { Extension, SocketExtension, Within } from "../http/extension.ts";
import { readJsonBody } from "../http/jsonBody.ts";
import { faultFields } from "../http/log.ts";
import { executedOf } from "./answer.ts";
import { converse } from "./connect.ts";
import { Mistake, wantedOf } from "./request.ts";
import { listed, runtimesOf } from "./runtimes.ts";

/** Where a Piston of one's own has them, and where the public service had them. */
const PLACES = ["/api/v2", "/api/v2/piston"] as const;

export const pistonExtensions: readonly Extension[] = PLACES.flatMap((place): Extension[] => [
  { path: `${place}/runtimes`, method: "GET", handler: told(runtimes) },
  { path: `${place}/execute`, method: "POST", handler: told(execute) },
]);

export const pistonSockets: readonly SocketExtension[] = PLACES.map((place) => ({
  path: `${place}/connect`,
  serve: converse,
}));

/** A client in wide use never says that it sends JSON. */
const TYPES = ["application/json", "text/plain"] as const;
const BODY_MOST = TRANSFER_LIMITS.jsonBodyBytes;

type Handler = Extension["handler"];

/** Errors in Piston's form, `{"message"}`. */
function told(handler: Handler): Handler {
  return async (c, deps, within) => {
    try {
      return await handler(c, deps, within);
    } catch (error) {
      return errorAnswer(c, deps, error);
    }
  };
}

function runtimes(c: AppContext, deps: AppDeps): Response {
  const { healthy, reason } = deps.runner.health();
  // An empty list would be believed, and kept.
  if (!healthy) throw new Refusal("unhealthy", reason);
  return c.json(runtimesOf(deps.runner.interpreters).map(listed));
}

async function execute(c: AppContext, deps: AppDeps, within: Within): Promise<Response> {
  const { signal } = c.req.raw;
  // While boxes are not known to hold, no runtime is known either.
  deps.engine.refuseEarly(within.caller);
  const known = runtimesOf(deps.runner.interpreters);
  const body = await readJsonBody(c, within.caller, deps.uploads, BODY_MOST, TYPES);
  const { runtime, job } = wantedOf(body, known, deps.ceilings);
  const client = new SandrunClient({ server: within.address, fetch: within.fetch });
  const waitSeconds = SERVICE_LIMITS.runWaitSeconds.most;
  const answer = await client.run(job, { waitSeconds, signal });
  if (!answer.finished) {
    await client.cancel(answer.job.job_id);
    throw new Refusal("queue_full", "The job waited for too long.");
  }
  return c.json(executedOf(answer.result, runtime));
}

function errorAnswer(c: AppContext, deps: AppDeps, error: unknown): Response {
  if (error instanceof Mistake) return c.json({ message: error.message }, 400);
  if (error instanceof Refusal) {
    const { code, status, details, retryAfterSeconds } = error;
    return messageAnswer(REFUSALS[code].sentence, status, details, retryAfterSeconds);
  }
  if (error instanceof ApiError && error.status >= 400) {
    const { message, status, details, retryAfter } = error;
    return messageAnswer(message, status, details, retryAfter);
  }
  deps.log(faultFields(error));
  return messageAnswer("The service failed; this is not your fault.", 500);
}

function messageAnswer(
  sentence: string,
  status: number,
  details?: string,
  retryAfterSeconds?: number,
): Response {
  const message = details === undefined ? sentence : `${sentence} ${details}`;
  const headers: Record<string, string> =
    retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) };
  return Response.json({ message }, { status, headers });
}
