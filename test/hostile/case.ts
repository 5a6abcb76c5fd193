/**
 * A hostile case: what it tries, which promise stops it, and how one sees by its effect whether it
 * was stopped. The same case runs in a box and, where that is safe, without one: there it must
 * escape, or it could not tell a box from none.
 */
import type { Outcome } from "../../src/core/job.ts";
import type { Job } from "../support/boxes.ts";
import type { ServiceAt } from "./client.ts";
import type { PromiseId } from "./promises.ts";

export interface Verdict {
  /** `broken`: the case itself did not work, so nothing was shown. */
  readonly kind: "contained" | "ESCAPED" | "broken";
  readonly why: string;
}

/** A program that has ended, and what it left. */
export interface Ended {
  readonly outcome: Outcome;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly files: ReadonlyMap<string, Buffer>;
  /** The layers that the box reported; none without a box. */
  readonly isolation: readonly string[];
  readonly peakBytes: number;
  readonly cpuMs: number;
  readonly wallMs: number;
}

export interface Started {
  /** What it had printed when it printed the mark. */
  readonly said: string;
  readonly ended: Promise<Ended>;
  stop(): Promise<Ended>;
}

/** Where programs run: in boxes, or as plain processes beside a careless parent. */
export interface Arena {
  readonly isBox: boolean;
  run(job: Job): Promise<Ended>;
  /** Starts it and waits until it has printed `mark`. */
  begin(job: Job, mark: string): Promise<Started>;
  /** The real service over TLS; without boxes a simple one that checks nothing. */
  service(): Promise<ServiceAt>;
  close(): Promise<void>;
}

export interface Case {
  /** Subject and name; unique. */
  readonly id: string;
  readonly promise: PromiseId;
  readonly tries: string;
  /** Why it is not run without a box; left out when it is, and must escape there. */
  readonly unsafe?: string;
  /** Only root could do it without a box. */
  readonly asRoot?: true;
  /** Kernels there are that have no such thing at all; then it may fail without a box too. */
  readonly mayLack?: true;
  attack(arena: Arena): Promise<Verdict>;
}

export function contained(why: string): Verdict {
  return { kind: "contained", why };
}

export function escaped(why: string): Verdict {
  return { kind: "ESCAPED", why };
}

function broken(why: string): Verdict {
  return { kind: "broken", why };
}

export function tell(outcome: Outcome): string {
  switch (outcome.kind) {
    case "exited":
      return `exited with ${outcome.exitCode}`;
    case "signalled":
      return `ended by ${outcome.signal}`;
    case "sandbox_error":
      return `sandbox_error: ${outcome.step}`;
    default:
      return outcome.kind;
  }
}

/** The one line that a hostile program prints. */
export function verdictOf(ended: Ended): Verdict {
  const lines = ended.stdout.toString().trimEnd().split("\n");
  const [, kind, why] = /^(contained|ESCAPED): (.+)$/.exec(lines[0] ?? "") ?? [];
  if (lines.length === 1 && kind === "contained" && why !== undefined) return contained(why);
  if (lines.length === 1 && kind === "ESCAPED" && why !== undefined) return escaped(why);
  const said = `${lines[0]?.slice(0, 80)} ${ended.stderr.toString().slice(-300)}`;
  return broken(`${tell(ended.outcome)}, no verdict: ${said.replaceAll(/\s+/g, " ")}`);
}

type Attack = Case["attack"];

/** Judged by the program itself. */
export function says(job: Job): Attack {
  return async (arena) => verdictOf(await arena.run(job));
}

/** As `says`, but the program may also be ended for it, in one of these ways. */
export function saysOrEnds(job: Job, ...kinds: Outcome["kind"][]): Attack {
  return async (arena) => {
    const ended = await arena.run(job);
    return kinds.includes(ended.outcome.kind) ? contained(tell(ended.outcome)) : verdictOf(ended);
  };
}

/** What must hold on the host after the program; the first that does not is the escape. */
export function checked(
  verdict: Verdict,
  ...checks: readonly (readonly [boolean, string])[]
): Verdict {
  const failed = checks.find(([holds]) => !holds);
  return verdict.kind === "contained" && failed !== undefined ? escaped(failed[1]) : verdict;
}
