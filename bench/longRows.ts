/** What a long run is judged by. */
import { COUNTED, type Holding, PROCESSES } from "./holding.ts";
import { median, quantile } from "./numbers.ts";
import type { Row } from "./table.ts";

/** The last tenth may take this much longer than the first, in the median. */
const SLOWER = 1.2;
/** Of a process that works: what is collected, and when, is the runtime's own business. */
const MEMORY_MORE = 1.15;
/** Of one that rests. */
const REST_MORE = 1.05;
const PAGES_MORE_KIB = 32;

export function latencyRows(latenciesMs: readonly number[]): readonly Row[] {
  const tenth = Math.ceil(latenciesMs.length / 10);
  const first = latenciesMs.slice(0, tenth);
  const last = latenciesMs.slice(-tenth);
  const value = median(last);
  return [
    {
      id: "long-latency",
      what: `${latenciesMs.length} jobs, the last tenth of them, median`,
      value,
      unit: "ms",
      ratio: value / median(first),
      against: `the first: ${median(first).toFixed(2)} ms`,
      goal: { most: SLOWER },
      goalIsRatio: true,
    },
    {
      id: "long-p99",
      what: "the same, 99 of 100",
      value: quantile(last, 0.99),
      unit: "ms",
      ratio: quantile(last, 0.99) / quantile(first, 0.99),
      against: `the first: ${quantile(first, 0.99).toFixed(2)} ms`,
    },
  ];
}

/** The last tenth of the looks beside the second one: in the first, pools and heaps still fill. */
export function growthRows(looks: readonly Holding[]): readonly Row[] {
  const tenth = Math.ceil(looks.length / 10);
  const early = looks.slice(tenth, 2 * tenth);
  const late = looks.slice(-tenth);
  const compare = (
    id: string,
    what: string,
    unit: string,
    most: number,
    of: (look: Holding) => number,
  ): Row => {
    const before = median(early.map(of));
    const value = median(late.map(of));
    const ratio = before === 0 ? value + 1 : value / before;
    const against = `in the second tenth: ${before}`;
    return { id, what, value, unit, ratio, against, goal: { most }, goalIsRatio: true };
  };
  return [
    ...PROCESSES.map((name) =>
      compare(
        `long-${name}`,
        `memory of ${name}, in the last tenth`,
        "KiB",
        MEMORY_MORE,
        (look) => look.memoryKib[name],
      ),
    ),
    // How many boxes wait is not the same in every moment; processes are judged at rest.
    ...COUNTED.filter((name) => name !== "processes").map((name) =>
      compare(
        `long-${name.replaceAll(" ", "-")}`,
        `${name}, in the last tenth`,
        "",
        MEMORY_MORE,
        (look) => look.counts[name],
      ),
    ),
  ];
}

/** Exactly as many things as before; memory with some tolerance. */
export function restRows(before: Holding, after: Holding): readonly Row[] {
  const compare = (what: string, unit: string, value: number, most: number): Row => {
    const id = `rest-${what.replaceAll(" ", "-")}`;
    return { id, what: `${what}, at rest afterwards`, value, unit, goal: { most } };
  };
  return [
    ...PROCESSES.map((name) => {
      const most = Math.ceil(before.memoryKib[name] * REST_MORE) + PAGES_MORE_KIB;
      return compare(`memory of ${name}`, "KiB", after.memoryKib[name], most);
    }),
    ...COUNTED.map((name) => compare(name, "", after.counts[name], before.counts[name])),
  ];
}
