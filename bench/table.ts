/** What was measured, as lines of a table. */

export interface Row {
  /** Stays the same from run to run: the regression check looks rows up by it. */
  readonly id: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What it is compared with, when there is something. */
  readonly against?: string;
  readonly ratio?: number;
  readonly goal?: { readonly least: number } | { readonly most: number };
  /** The goal is about the ratio and not about the value. */
  readonly goalIsRatio?: boolean;
}

/** Undefined where there is no goal. */
export function reaches(row: Row): boolean | undefined {
  if (row.goal === undefined) return undefined;
  const judged = row.goalIsRatio === true ? (row.ratio ?? Number.NaN) : row.value;
  return "least" in row.goal ? judged >= row.goal.least : judged <= row.goal.most;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function goalText({ goal, goalIsRatio }: Row): string {
  if (goal === undefined) return "";
  const of = goalIsRatio === true ? "ratio " : "";
  return "least" in goal ? `${of}≥ ${goal.least}` : `${of}≤ ${goal.most}`;
}

/** GitHub's own kind of table. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const reached = reaches(row);
    const mark = reached === undefined ? "" : reached ? "yes" : "**no**";
    const against = row.against === undefined ? "" : ` (${row.against})`;
    const ratio = row.ratio === undefined ? "" : `${round(row.ratio)}${against}`;
    return `| ${row.what} | ${round(row.value)} ${row.unit} | ${ratio} | ${goalText(row)} | ${mark} |`;
  });
  const head = ["| | measured | ratio | goal | reached |", "|---|---|---|---|---|"];
  return `${[...head, ...lines].join("\n")}\n`;
}
