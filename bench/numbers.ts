/** Small statistics. */

/** @param share 0.5 = the median */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Measures two things in turn, so that a machine that is busy meanwhile is busy for both.
 * @returns the median of each, and the median of the ratios of neighbours
 */
export async function inTurns(
  rounds: number,
  one: () => Promise<number>,
  other: () => Promise<number>,
): Promise<{ readonly one: number; readonly other: number; readonly ratio: number }> {
  const pairs: (readonly [number, number])[] = [];
  for (let round = 0; round < rounds; round++) pairs.push([await one(), await other()]);
  return {
    one: median(pairs.map(([value]) => value)),
    other: median(pairs.map(([, value]) => value)),
    ratio: median(pairs.map(([first, second]) => first / second)),
  };
}
