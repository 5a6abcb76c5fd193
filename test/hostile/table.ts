/** The table that the suite prints. */
import type { Judged } from "./judge.ts";

const TRIES = 96;
const NOTE = 70;

function cut(text: string, most: number): string {
  // Programs choose what they say: nothing of it may steer a terminal.
  const plain = text.replaceAll(/[^\x20-\x7e]/g, "?");
  return plain.length <= most ? plain.padEnd(most) : `${plain.slice(0, most - 3)}...`;
}

export function rowOf(number: number, { hostile, verdict, isRight, note }: Judged): string {
  const word = verdict?.kind ?? "not run";
  const columns = [
    `${number}`.padStart(3),
    hostile.promise.padEnd(3),
    cut(hostile.tries, TRIES),
    word.padEnd(9),
    isRight ? "  " : "!!",
  ];
  return `${columns.join("  ")}  ${cut(note, NOTE).trimEnd()}`;
}

export function tableOf(results: readonly Judged[]): string {
  const head = ["  #", "of ", "tries".padEnd(TRIES), "verdict  ", "  "].join("  ");
  return [head, ...results.map((judged, index) => rowOf(index + 1, judged))].join("\n");
}

/** The whole of what went wrong, which a table has no room for. */
export function wrongOnes(results: readonly Judged[]): string {
  return results
    .filter((judged) => !judged.isRight)
    .map(
      ({ hostile, verdict, note }) => `${hostile.promise} ${hostile.id}: ${verdict?.kind}: ${note}`,
    )
    .join("\n");
}
