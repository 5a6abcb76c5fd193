/** Response times as pairs of bars on a logarithmic scale, in an SVG that needs nothing else. */

export interface Pair {
  readonly what: string;
  /** Milliseconds. */
  readonly oursMs: number;
  readonly othersMs: number;
}

const WIDTH = 760;
const LABEL = 230;
const BAR = 16;
const ROW = 50;
const LEAST_MS = 50;
const MOST_MS = 1_000_000;

function xOf(ms: number): number {
  const clamped = Math.min(MOST_MS, Math.max(LEAST_MS, ms));
  return (
    LABEL + (Math.log(clamped / LEAST_MS) / Math.log(MOST_MS / LEAST_MS)) * (WIDTH - LABEL - 90)
  );
}

function bar(ms: number, y: number, colour: string): string {
  const text = Number.isNaN(ms)
    ? "not served"
    : ms < 1000
      ? `${ms.toFixed(0)} ms`
      : `${(ms / 1000).toFixed(1)} s`;
  const x = xOf(Number.isNaN(ms) ? MOST_MS : ms);
  return (
    `<rect x="${LABEL}" y="${y}" width="${(x - LABEL).toFixed(0)}" height="${BAR}" fill="${colour}"/>` +
    `<text x="${(x + 6).toFixed(0)}" y="${y + 13}">${text}</text>`
  );
}

export function chartOf(pairs: readonly Pair[]): string {
  const height = pairs.length * ROW + 60;
  const rows = pairs.map(({ what, oursMs, othersMs }, index) => {
    const y = 40 + index * ROW;
    return (
      `<text x="${LABEL - 10}" y="${y + 22}" text-anchor="end">${what}</text>` +
      bar(oursMs, y, "#2f6f4f") +
      bar(othersMs, y + BAR + 2, "#9aa5b1")
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" ` +
    `height="${height}" font-family="sans-serif" font-size="13">\n` +
    '<rect width="100%" height="100%" fill="#fff"/>\n' +
    `<text x="${LABEL}" y="22">99th percentile from submit to end, others' jobs of 0.2 CPU-seconds</text>\n` +
    `${rows.join("\n")}\n` +
    `<rect x="${LABEL}" y="${height - 20}" width="12" height="12" fill="#2f6f4f"/>` +
    `<text x="${LABEL + 18}" y="${height - 9}">this queue</text>` +
    `<rect x="${LABEL + 120}" y="${height - 20}" width="12" height="12" fill="#9aa5b1"/>` +
    `<text x="${LABEL + 138}" y="${height - 9}">first come, first served</text>\n</svg>\n`
  );
}
