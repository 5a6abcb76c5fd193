/** Whether a program's box was forked from a template; templates come some jobs after the first. */
import assert from "node:assert/strict";
import type { Runner } from "../../src/core/runner.ts";
import { run } from "../support/boxes.ts";

/** Prints `True` in a program that was forked. */
export const FORKS = `print("preload.so" in open("/proc/self/maps").read())`;
const SHELL_FORKS = "grep -q preload.so /proc/$$/maps && echo True || echo False";

/** The template is started when a first job came, and serves the boxes that are made later. */
export async function untilForked(runner: Runner, interpreter = "python3"): Promise<void> {
  const code = interpreter === "sh" ? SHELL_FORKS : FORKS;
  for (let tries = 0; tries < 50; tries++) {
    if ((await run(runner, { code, interpreter })).stdout.toString() === "True\n") return;
  }
  assert.fail("no box was forked");
}
