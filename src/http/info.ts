/** Routes about the service itself. */
import { environmentsAnswer } from "./answers.ts";
import { type AppContext, type AppDeps, callerOf } from "./deps.ts";
import type { StatsAnswer } from "./schemas.ts";

export function service(c: AppContext, deps: AppDeps): Response {
  return c.json({ service: "sandrun", version: deps.version, documentation: "/openapi.json" });
}

/** 503 as long as no box can be built, with what is wrong. */
export function health(c: AppContext, deps: AppDeps): Response {
  const { healthy, reason } = deps.runner.health();
  if (healthy) return c.json({ status: "healthy" });
  return c.json({ status: "unhealthy", ...(reason === undefined ? {} : { reason }) }, 503);
}

export async function environments(c: AppContext, deps: AppDeps): Promise<Response> {
  await deps.untilOffered?.();
  return c.json(environmentsAnswer(deps.runner.interpreters, deps.runner.environments));
}

export function stats(c: AppContext, deps: AppDeps): Response {
  const own = deps.engine.quotaOf(callerOf(c, deps.callers));
  const all = deps.engine.totals();
  const answer: StatsAnswer = {
    your_quota: {
      cpu_seconds_used: secondsOf(own.usedMs),
      cpu_seconds_available: secondsOf(own.availableMs),
      running: own.running,
      waiting: own.waiting,
      refills_in: secondsOf(own.refillsInMs),
    },
    system: { queue_length: all.waiting, running: all.running, slots: all.slots },
  };
  return c.json(answer);
}

function secondsOf(ms: number): number {
  return Math.round(ms) / 1000;
}
