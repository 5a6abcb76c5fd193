/** The rates as bars, longest first, in an SVG that needs nothing else. */
import type { Row } from "./table.ts";

const WIDTH = 720;
const BAR = 22;
const GAP = 8;
const LABEL = 330;

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

export function chartOf(rows: readonly Row[]): string {
  const bars = rows
    .filter(({ unit }) => unit.endsWith("/s"))
    .sort((one, other) => other.value - one.value);
  const most = Math.max(...bars.map(({ value }) => value));
  const height = bars.length * (BAR + GAP) + GAP;
  const lines = bars.map((row, index) => {
    const y = GAP + index * (BAR + GAP);
    const width = Math.max(1, (row.value / most) * (WIDTH - LABEL - 80));
    const colour = /^(bare|by) /.test(row.what) ? "#9aa5b1" : "#2f6f4f";
    return (
      `<text x="${LABEL - 8}" y="${y + 16}" text-anchor="end">${escaped(row.what)}</text>` +
      `<rect x="${LABEL}" y="${y}" width="${width.toFixed(0)}" height="${BAR}" fill="${colour}"/>` +
      `<text x="${(LABEL + width + 6).toFixed(0)}" y="${y + 16}">${row.value.toFixed(0)} ${row.unit}</text>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" ` +
    `height="${height}" font-family="sans-serif" font-size="13">\n` +
    `<rect width="100%" height="100%" fill="#fff"/>\n${lines.join("\n")}\n</svg>\n`
  );
}
