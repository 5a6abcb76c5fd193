/**
 * Reading one glob: braces written out under a ceiling, then tokens. See core/globs.ts for
 * what patterns mean.
 */
import { MANIFEST_LIMITS } from "./limits.ts";
import { utf8Length } from "./paths.ts";

/** One character of a set; the ranges hold code points, both ends included. */
export interface TokenSet {
  readonly kind: "set";
  readonly negated: boolean;
  readonly ranges: readonly (readonly [number, number])[];
}

export type Token =
  | { readonly kind: "literal"; readonly code: number }
  | TokenSet
  | { readonly kind: "star" }
  /** `**` and the `/` after it; `last` when nothing comes after. */
  | { readonly kind: "deep"; readonly last: boolean };

/** Why a pattern cannot be used; `globs.ts` turns it into a refusal that names the pattern. */
export class GlobFault extends Error {}

/** Texts and alternatives in the order in which they stand. */
type Sequence = (string | Sequence[])[];

/** Index after the `]` that ends the set at `open`. The first character may be a `]`. */
function endOfSet(pattern: string, open: number): number {
  let i = open + 1;
  if (pattern[i] === "!" || pattern[i] === "^") i++;
  for (let first = i; i < pattern.length; i++) {
    if (pattern[i] === "\\") i++;
    else if (pattern[i] === "]" && i !== first) return i + 1;
  }
  throw new GlobFault("a '[' is not closed");
}

/** Splits at braces that are neither escaped nor in a set. */
function parseBraces(pattern: string): Sequence {
  const open: { outer: Sequence; alternatives: Sequence[] }[] = [];
  let current: Sequence = [];
  for (let i = 0; i < pattern.length; ) {
    const character = pattern[i] ?? "";
    const group = open.at(-1);
    let end = i + 1;
    if (character === "{") {
      open.push({ outer: current, alternatives: [] });
      current = [];
    } else if (character === "," && group !== undefined) {
      group.alternatives.push(current);
      current = [];
    } else if (character === "}") {
      if (group === undefined) throw new GlobFault("a '}' without '{'");
      group.outer.push([...group.alternatives, current]);
      current = group.outer;
      open.pop();
    } else {
      if (character === "\\") end = i + 2;
      if (character === "[") end = endOfSet(pattern, i);
      current.push(pattern.slice(i, end));
    }
    i = end;
  }
  if (open.length > 0) throw new GlobFault("a '{' is not closed");
  return current;
}

/** Every way to write the sequence out, from the given index on. */
function* writeOut(sequence: Sequence, index = 0): Generator<string> {
  let text = "";
  let i = index;
  for (; typeof sequence[i] === "string"; i++) text += sequence[i];
  const alternatives = sequence[i];
  if (alternatives === undefined || typeof alternatives === "string") {
    yield text;
    return;
  }
  for (const alternative of alternatives) {
    for (const chosen of writeOut(alternative)) {
      for (const rest of writeOut(sequence, i + 1)) yield text + chosen + rest;
    }
  }
}

function readSetCharacter(body: readonly string[], at: number): { code: number; next: number } {
  const escaped = body[at] === "\\";
  const character = body[escaped ? at + 1 : at] ?? "";
  return { code: character.codePointAt(0) ?? 0, next: at + (escaped ? 2 : 1) };
}

function parseSet(text: string): TokenSet {
  const negated = text[1] === "!" || text[1] === "^";
  const body = Array.from(text.slice(negated ? 2 : 1, -1));
  const ranges: [number, number][] = [];
  for (let i = 0; i < body.length; ) {
    if (body[i] === "[" && [":", ".", "="].includes(body[i + 1] ?? "")) {
      throw new GlobFault("named classes such as [:alpha:] are not known here");
    }
    const first = readSetCharacter(body, i);
    let { code: to, next } = first;
    if (body[next] === "-" && next + 1 < body.length) {
      ({ code: to, next } = readSetCharacter(body, next + 1));
    }
    if (to < first.code) throw new GlobFault("a range in '[…]' is the wrong way round");
    ranges.push([first.code, to]);
    i = next;
  }
  return { kind: "set", negated, ranges };
}

const ANY_ONE: TokenSet = { kind: "set", negated: true, ranges: [] };

function tokensOfSegment(segment: string): Token[] {
  const tokens: Token[] = [];
  for (let i = 0; i < segment.length; ) {
    const code = segment.codePointAt(i) ?? 0;
    const character = String.fromCodePoint(code);
    let end = i + character.length;
    if (character === "*") {
      if (segment[end] === "*") throw new GlobFault("'**' must stand alone between slashes");
      tokens.push({ kind: "star" });
    } else if (character === "?") {
      tokens.push(ANY_ONE);
    } else if (character === "[") {
      end = endOfSet(segment, i);
      tokens.push(parseSet(segment.slice(i, end)));
    } else if (character === "\\") {
      const escaped = segment.codePointAt(end);
      if (escaped === undefined) throw new GlobFault("a '\\' with nothing after it");
      end += String.fromCodePoint(escaped).length;
      tokens.push({ kind: "literal", code: escaped });
    } else {
      tokens.push({ kind: "literal", code });
    }
    i = end;
  }
  return tokens;
}

/** `./a` → `a`, `a/` → `a/**`; `**` twice in a row says no more than once. */
function segmentsOf(written: string): string[] {
  const segments = written.replace(/^(?:\.\/)+/, "").split("/");
  if (segments.length > 1 && segments.at(-1) === "") segments[segments.length - 1] = "**";
  return segments.filter((segment, i) => segment !== "**" || segments[i - 1] !== "**");
}

function checkSegment(segment: string, index: number): void {
  if (segment === "") {
    throw new GlobFault(index === 0 ? "it is empty or begins with '/'" : "it has an empty segment");
  }
  if (segment === "." || segment === "..") throw new GlobFault(`it has a segment '${segment}'`);
}

function tokensOf(written: string): Token[] {
  const segments = segmentsOf(written);
  return segments.flatMap((segment, index): Token[] => {
    checkSegment(segment, index);
    const last = index === segments.length - 1;
    if (segment === "**") return [{ kind: "deep", last }];
    const tokens = tokensOfSegment(segment);
    return last ? tokens : [...tokens, { kind: "literal", code: 0x2f }];
  });
}

/**
 * The token lists of a pattern, one for each way to write out its braces.
 * @param room ceiling for the length of all that is written out.
 * @throws GlobFault
 */
export function parseGlob(pattern: string, room: number): Token[][] {
  if (
    pattern.length > MANIFEST_LIMITS.globBytes ||
    utf8Length(pattern) > MANIFEST_LIMITS.globBytes
  ) {
    throw new GlobFault(`it is longer than ${MANIFEST_LIMITS.globBytes} bytes`);
  }
  const lists: Token[][] = [];
  let left = room;
  for (const written of writeOut(parseBraces(pattern))) {
    left -= written.length + 1;
    if (left < 0) throw new GlobFault("its braces stand for too many patterns");
    lists.push(tokensOf(written));
  }
  return lists;
}
