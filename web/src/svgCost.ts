/**
 * How much there is to draw in an SVG: its elements, each counted as often as references repeat it.
 *
 * An `<img>` runs no script of an SVG, but draws whatever it says: ten groups that each use the one
 * before ten times are ten thousand million shapes out of a few hundred bytes, and the browser's tab
 * stands still. This is a guess from the text, made in one pass over it; what it cannot follow
 * (entities, references in style sheets, pictures in pictures) counts as endless.
 */

/** Shapes that a browser draws in a moment. */
const MOST_SHAPES = 200_000;
const MOST_DEPTH = 500;
/** Style sheets of one picture. */
const MOST_SHEETS = 20;

export function isCostly(svg: string): boolean {
  try {
    return costOf(graphOf(svg)) > MOST_SHAPES;
  } catch (error) {
    if (error instanceof Unclear) return true;
    throw error;
  }
}

class Unclear extends Error {}

/** What stands below one id, or below none: elements of its own, and how often it draws others. */
interface Part {
  shapes: number;
  readonly uses: Map<string, number>;
}

/** By id; the whole picture is the empty one. */
type Graph = Map<string, Part>;

function graphOf(svg: string): Graph {
  if (/<!ENTITY|<!DOCTYPE[^>]*\[/i.test(svg)) throw new Unclear();
  const graph: Graph = new Map();
  const open: string[] = [];
  let sheets = 0;
  for (const { tag, end } of tagsOf(svg)) {
    if (tag.startsWith("/")) {
      open.pop();
      continue;
    }
    if (/^(?:\w+:)?style\b/i.test(tag)) {
      sheets += 1;
      if (sheets > MOST_SHEETS || refersTo(svg.slice(end, endOf(svg, "</", end))))
        throw new Unclear();
    }
    const above = open.at(-1) ?? "";
    const id = /\sid\s*=\s*["']([^"']*)["']/.exec(tag)?.[1] ?? above;
    if (id !== above) count(graph, above, id);
    partOf(graph, id).shapes += 1;
    for (const reference of referencesOf(tag)) count(graph, id, reference);
    if (!tag.endsWith("/")) open.push(id);
  }
  return graph;
}

/** Insides of `<…>`; a quoted `>` does not end one. Comments and the like are left out. */
function* tagsOf(svg: string): Generator<{ readonly tag: string; readonly end: number }> {
  for (let at = svg.indexOf("<"); at >= 0; at = svg.indexOf("<", at)) {
    const isComment = svg.startsWith("<!--", at);
    const isData = svg.startsWith("<![CDATA[", at);
    if (isComment || isData) {
      at = endOf(svg, isComment ? "-->" : "]]>", at);
      continue;
    }
    const end = tagEnd(svg, at + 1);
    const tag = svg.slice(at + 1, end);
    if (!/^[?!]/.test(tag)) yield { tag, end };
    at = end;
  }
}

function endOf(svg: string, mark: string, from: number): number {
  const found = svg.indexOf(mark, from);
  if (found < 0) throw new Unclear();
  return found + mark.length;
}

function tagEnd(svg: string, from: number): number {
  let quote = "";
  for (let at = from; at < svg.length; at += 1) {
    const character = svg[at] ?? "";
    if (quote !== "") {
      if (character === quote) quote = "";
    } else if (character === '"' || character === "'") quote = character;
    else if (character === ">") return at;
    else if (character === "<") throw new Unclear();
  }
  throw new Unclear();
}

/** A style sheet that names parts, or brings in others. */
function refersTo(sheet: string): boolean {
  return /url\(|@import|\\/i.test(sheet);
}

function referencesOf(tag: string): string[] {
  const values = [...tag.matchAll(/=\s*(?:"([^"]*)"|'([^']*)')/g)].map(([, a, b]) => a ?? b ?? "");
  return values.flatMap((value) => {
    if (value.includes("&#") || /data:\s*image\/svg/i.test(value)) throw new Unclear();
    const whole = /^\s*#(.+?)\s*$/.exec(value)?.[1];
    const within = [...value.matchAll(/url\(\s*["']?#([^"')]+)/gi)].map(([, id = ""]) => id.trim());
    return whole === undefined ? within : [whole];
  });
}

function partOf(graph: Graph, id: string): Part {
  const part = graph.get(id) ?? { shapes: 0, uses: new Map() };
  graph.set(id, part);
  return part;
}

function count(graph: Graph, from: string, to: string): void {
  const { uses } = partOf(graph, from);
  uses.set(to, (uses.get(to) ?? 0) + 1);
}

function costOf(graph: Graph): number {
  const known = new Map<string, number>();
  const cost = (id: string, depth: number): number => {
    const before = known.get(id);
    if (before !== undefined) return before;
    if (depth > MOST_DEPTH) throw new Unclear();
    // A part that draws itself is a mistake, and browsers leave it out.
    known.set(id, 0);
    const part = graph.get(id);
    let sum = part?.shapes ?? 0;
    for (const [used, times] of part?.uses ?? []) sum += times * cost(used, depth + 1);
    known.set(id, sum);
    return sum;
  };
  return cost("", 0);
}
