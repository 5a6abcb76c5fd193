/** Words for a person: how a job ended, and text of strangers that plays no tricks on a reader. */
import type { Outcome } from "./job.ts";

/**
 * A sentence with words of a job or a server in it, safe to print: what a terminal obeys (escape
 * sequences, line breaks) or what would make it show something else (bidirectional marks) is
 * written out as `\u{…}`.
 */
export function shown(sentence: string): string {
  return sentence
    .toWellFormed()
    .replace(
      /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
      (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
    );
}

/** What the job was allowed, for the sentence; undefined where a server does not say. */
export interface Allowed {
  readonly memoryMb?: number | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly cpuSeconds?: number | undefined;
}

/** How it ended when it did not exit by itself; undefined when it did. */
export function endSentence(outcome: Outcome, allowed: Allowed): string | undefined {
  switch (outcome.kind) {
    case "exited":
      return undefined;
    case "signalled":
      return `killed by ${shown(outcome.signal)}`;
    case "timed_out":
      return `timed out${amount(" after ", allowed.timeoutSeconds, " s")}`;
    case "cpu_limit":
      return `used up its CPU time${amount(" (", allowed.cpuSeconds, " s)")}`;
    case "out_of_memory":
      return `ran out of memory${amount(" (", allowed.memoryMb, " MB)")}`;
    case "output_limit":
      return "its output files are larger than the limit";
    case "cancelled":
      return "cancelled";
    case "evicted":
      return "evicted by the server, which needed the room";
    case "sandbox_error":
      return `the sandbox failed: ${shown(outcome.step)}`;
  }
}

function amount(before: string, value: number | undefined, after: string): string {
  return value === undefined ? "" : `${before}${value}${after}`;
}
