import assert from "node:assert/strict";
import type { Parameters } from "fast-check";
import { Refusal } from "../../src/core/errors.ts";

/** How often each property is tried: SANDRUN_FUZZ_RUNS, which `npm run fuzz` raises, or `few`. */
export function runs<T>(few = 200): Parameters<T> {
  const asked = Number(process.env["SANDRUN_FUZZ_RUNS"] ?? few);
  assert.ok(Number.isSafeInteger(asked) && asked > 0, "SANDRUN_FUZZ_RUNS is a number");
  return { numRuns: asked };
}

/** What it returns; undefined when it refuses. Anything else that it throws is a bug. */
export function readOrRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    assertRefusal(error);
    return undefined;
  }
}

/** As `readOrRefused`, for what takes its time. */
export async function unpackedOrRefused<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    assertRefusal(error);
    return undefined;
  }
}

function assertRefusal(error: unknown): void {
  assert.ok(error instanceof Refusal, error instanceof Error ? error.stack : String(error));
  // Details are shown in terminals and pages: nothing of the input may steer them.
  assert.doesNotMatch(error.details ?? "", /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
}
