/** Runs cases and says of each whether it showed what it must. */
import type { Arena, Case, Verdict } from "./case.ts";
import { OPEN } from "./open.ts";

export interface Judged {
  readonly hostile: Case;
  readonly verdict: Verdict | undefined;
  /** What was expected was seen: contained in a box; escaped without one. */
  readonly isRight: boolean;
  /** Why there is no verdict, or what it was. */
  readonly note: string;
}

/** Answers of a kernel that has no such thing. */
const LACKS = /not implemented|not supported|No such device|not found|nothing there/i;

/** Why a case is not run in this arena; undefined = it is. */
export function excuseOf(hostile: Case, arena: Arena): string | undefined {
  if (arena.isBox) return undefined;
  if (hostile.unsafe !== undefined) return hostile.unsafe;
  if (hostile.asRoot === true && process.getuid?.() !== 0) return "only root could do it anyway";
  return undefined;
}

function isRight(hostile: Case, verdict: Verdict, arena: Arena): boolean {
  if (arena.isBox) return verdict.kind === (OPEN.has(hostile.id) ? "ESCAPED" : "contained");
  const isLacking = hostile.mayLack === true && LACKS.test(verdict.why);
  return verdict.kind === "ESCAPED" || (verdict.kind === "contained" && isLacking);
}

function attempt(hostile: Case, arena: Arena): Promise<Verdict> {
  return hostile.attack(arena).catch(
    (fault: unknown): Verdict => ({
      kind: "broken",
      why: fault instanceof Error ? fault.message : String(fault),
    }),
  );
}

export async function judge(hostile: Case, arena: Arena): Promise<Judged> {
  const excuse = excuseOf(hostile, arena);
  if (excuse !== undefined) return { hostile, verdict: undefined, isRight: true, note: excuse };
  const verdict = await attempt(hostile, arena);
  const why = arena.isBox ? OPEN.get(hostile.id) : undefined;
  const note = why === undefined ? verdict.why : `known: ${why}`;
  return { hostile, verdict, isRight: isRight(hostile, verdict, arena), note };
}

/** Judges all, so many at a time, in order of the list; `onJudged` is told as they end. */
export async function judgeAll(
  cases: readonly Case[],
  arena: Arena,
  atOnce: number,
  onJudged: (judged: Judged) => void,
): Promise<readonly Judged[]> {
  const results: Judged[] = [];
  const waiting = [...cases.entries()];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, hostile] = next;
      const judged = await judge(hostile, arena);
      results[index] = judged;
      onJudged(judged);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}
