/**
 * Runs the hostile suite and prints a table.
 *
 *   node test/hostile/run.ts [--bare] [WORD…]     WORDs choose cases by a part of their id or promise
 *
 * In boxes every case must be contained. With --bare the same programs run without one, those for
 * which that is safe, and must escape. Exit status 1 when one does not do what it must.
 */

import { patient } from "../support/patience.ts";
import { AT_THE_SERVICE, IN_BOXES } from "./all.ts";
import { openBare } from "./bare.ts";
import { openBoxes } from "./boxed.ts";
import type { Case } from "./case.ts";
import { type Judged, judgeAll } from "./judge.ts";
import { OPEN } from "./open.ts";
import { tableOf, wrongOnes } from "./table.ts";

/** Boxes at once: two processors, and a case waits now and then. One where they are emulated. */
const AT_ONCE = patient(1) > 1 ? 1 : 3;

const words = process.argv.slice(2);
const isBare = words.includes("--bare");
const chosen = words.filter((word) => !word.startsWith("--"));

function isChosen({ id, promise }: Case): boolean {
  return chosen.length === 0 || chosen.some((word) => id.includes(word) || promise === word);
}

function progress({ hostile, isRight, note }: Judged): void {
  process.stderr.write(isRight ? "." : `!\n${hostile.id}: ${note}\n`);
}

async function run(): Promise<boolean> {
  const begunMs = performance.now();
  const arena = await (isBare ? openBare() : openBoxes());
  const results: Judged[] = [];
  try {
    const [boxed, served] = await Promise.all([
      judgeAll(IN_BOXES.filter(isChosen), arena, AT_ONCE, progress),
      judgeAll(AT_THE_SERVICE.filter(isChosen), arena, 1, progress),
    ]);
    results.push(...boxed, ...served);
  } finally {
    await arena.close();
  }
  const wrong = wrongOnes(results);
  const seconds = ((performance.now() - begunMs) / 1000).toFixed(1);
  const ran = results.filter(({ verdict }) => verdict !== undefined).length;
  const right = results.filter(({ verdict, isRight }) => verdict !== undefined && isRight).length;
  const open = OPEN.size === 0 ? "" : ` or known (${OPEN.size}, see SECURITY.md)`;
  const must = isBare ? "escaped, as they must without a box" : `contained${open}`;
  process.stdout.write(`\n${tableOf(results)}\n\n${wrong}${wrong === "" ? "" : "\n\n"}`);
  process.stdout.write(
    `${right} of ${ran} ${must}; ${results.length - ran} not run; ${seconds} s\n`,
  );
  return wrong === "" && ran > 0;
}

process.exitCode = (await run()) ? 0 : 1;
