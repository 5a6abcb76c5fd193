/** All that can be seen of a job, to compare two ways of starting its program. */
import type { Runner } from "../../src/core/runner.ts";
import { type Job, run } from "../support/boxes.ts";

/** Numbers that differ from start to start, of any program. */
function masked(text: string): string {
  return text
    .replace(/\b(pid|ppid|process) \d+/g, "$1 N")
    .replace(/\/proc\/\d+/g, "/proc/N")
    .replace(/\(node:\d+\)/g, "(node:N)")
    .replace(/0x[0-9a-f]{6,}/g, "0xN")
    .replace(/Thread-\d+/g, "Thread-N")
    .replace(/\(eval_[0-9a-f]+/g, "(eval_N");
}

export async function seen(runner: Runner, job: Job) {
  const ran = await run(runner, job);
  return {
    outcome: ran.outcome,
    stdout: masked(ran.stdout.toString()),
    stderr: masked(ran.stderr.toString()),
    files: [...ran.files].map(([path, bytes]) => [path, bytes.toString()]),
  };
}
