/** What the query of an address says. */
import { Refusal } from "../core/errors.ts";
import { SERVICE_LIMITS } from "../core/limits.ts";
import type { AppContext } from "./deps.ts";

/** By itself: as part of a URL each change of it would be worked into the whole address. */
export function queryOf(c: AppContext): URLSearchParams {
  const [address = ""] = c.req.url.split("#", 1);
  const at = address.indexOf("?");
  return new URLSearchParams(at === -1 ? "" : address.slice(at));
}

/**
 * Takes `wait=SECONDS` out of the query: how long the answer may be held back until a job has ended.
 * @param usualSeconds when it is not there
 * @returns milliseconds
 * @throws Refusal bad_request
 */
export function takeWaitMs(query: URLSearchParams, usualSeconds: number): number {
  const { least, most } = SERVICE_LIMITS.runWaitSeconds;
  const [text = String(usualSeconds), ...more] = query.getAll("wait");
  query.delete("wait");
  const seconds = /^\d{1,4}(?:\.\d{1,3})?$/.test(text) ? Number(text) : -1;
  if (more.length > 0 || seconds < least || seconds > most) {
    throw new Refusal("bad_request", `wait must be one number from ${least} to ${most}.`);
  }
  return seconds * 1000;
}
