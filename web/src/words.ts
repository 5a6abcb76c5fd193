/** Outcomes, numbers and waiting in a person's words. */
import type { JobStatus, Stats, WireOutcome } from "../../src/client/answers.ts";
import type { ManifestFields } from "../../src/client/jobs.ts";
import { JOB_LIMITS } from "../../src/core/limits.ts";

export type Tone = "good" | "bad" | "plain";

export interface Said {
  readonly text: string;
  readonly tone: Tone;
}

const SIGNALS: Readonly<Record<string, string>> = {
  SIGSEGV: "it touched memory that is not its own",
  SIGABRT: "it gave up by itself",
  SIGFPE: "a calculation went wrong, such as a division by zero",
  SIGILL: "it tried an instruction that the machine does not have",
  SIGBUS: "it touched memory that is not there",
  SIGSYS: "it tried a system call that boxes do not allow",
  SIGKILL: "it was killed",
  SIGTERM: "it was asked to end",
  SIGINT: "it was interrupted",
  SIGPIPE: "it wrote to a pipe that nobody reads",
};

/** @param manifest what was asked for: limits are told as they were set */
export function outcomeWords(outcome: WireOutcome, manifest: ManifestFields): Said {
  const bad = (text: string): Said => ({ text, tone: "bad" });
  switch (outcome.kind) {
    case "exited":
      return outcome.exit_code === 0
        ? { text: "Finished", tone: "good" }
        : bad(`Ended with exit status ${outcome.exit_code ?? "unknown"}`);
    case "signalled": {
      const why = SIGNALS[outcome.signal ?? ""];
      return bad(`Crashed: ${why ?? "a signal ended it"} (${outcome.signal ?? "no name"})`);
    }
    case "timed_out":
      return bad(`Timed out after ${seconds(manifest.timeout ?? JOB_LIMITS.timeoutSeconds.usual)}`);
    case "cpu_limit":
      return bad(`Used up its ${seconds(manifest.cpu_seconds ?? 0)} of CPU time`);
    case "out_of_memory":
      return bad(
        `Out of memory: it wanted more than ${manifest.memory_mb ?? JOB_LIMITS.memoryMb.usual} MB`,
      );
    case "output_limit":
      return bad("Its output files were larger than a job may make");
    case "cancelled":
      return { text: "Stopped", tone: "plain" };
    case "evicted":
      return bad("Ended by the server to make room for others");
    case "sandbox_error":
      return bad(
        `The server's box failed (${outcome.step ?? "no step named"}); your program is not to blame`,
      );
  }
}

/** `0.05 s`, `12.3 s`, `3 min 20 s`. */
export function seconds(amount: number): string {
  if (amount < 10) return `${Number(amount.toFixed(amount < 1 ? 2 : 1))} s`;
  const whole = Math.round(amount);
  if (whole < 100) return `${whole} s`;
  const rest = whole % 60;
  return `${Math.floor(whole / 60)} min${rest === 0 ? "" : ` ${rest} s`}`;
}

export function metricsWords(metrics: JobStatus["metrics"]): string {
  if (metrics === undefined) return "";
  const { wall_seconds, cpu_seconds, memory_mb, queue_seconds, throttled_seconds } = metrics;
  return [
    wall_seconds === undefined ? "" : `${seconds(wall_seconds)} time`,
    cpu_seconds === undefined ? "" : `${seconds(cpu_seconds)} CPU`,
    memory_mb === undefined
      ? ""
      : `${memory_mb < 10 ? memory_mb.toFixed(1) : Math.round(memory_mb)} MB memory`,
    queue_seconds === undefined || queue_seconds < 1 ? "" : `${seconds(queue_seconds)} waiting`,
    throttled_seconds === undefined || throttled_seconds < 1
      ? ""
      : `${seconds(throttled_seconds)} held back by your CPU quota`,
  ]
    .filter((part) => part !== "")
    .join(" · ");
}

/** @param position 1 = next */
export function waitingWords(position: number): string {
  return position <= 1 ? "Waiting: next in the queue" : `Waiting: number ${position} in the queue`;
}

/** Its own quota holds the caller's jobs back, and not the queue. */
export function isQuotaUsedUp({ your_quota }: Stats): boolean {
  return your_quota.cpu_seconds_available === 0;
}

export function quotaWords({ your_quota, system }: Stats): string {
  const { cpu_seconds_available, running, waiting, refills_in } = your_quota;
  const left = cpu_seconds_available;
  const quota =
    left === undefined
      ? ""
      : left > 0
        ? `${seconds(left)} of your CPU quota left`
        : `Your CPU quota is used up${refills_in === undefined ? "" : `, full again in ${seconds(refills_in)}`}`;
  return [
    quota,
    `you: ${running} running, ${waiting} waiting`,
    `server: ${system.running} of ${system.slots} boxes in use`,
  ]
    .filter((part) => part !== "")
    .join(" · ");
}
