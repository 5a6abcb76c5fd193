/**
 * Running a glob.
 *
 * Patterns and names are both hostile, and a matcher that backtracks can be made to take
 * exponential time. So a pattern becomes an automaton whose states are bits (Baeza-Yates and
 * Gonnet, "A new approach to text searching", 1992): one character costs one pass over the
 * words that hold the states, at most 9 for the longest pattern, whatever came before.
 */
import type { Token, TokenSet } from "./globTokens.ts";

/** One pattern without braces: state i means "the first i tokens have matched so far". */
export interface Automaton {
  readonly words: number;
  readonly accepting: number;
  /** Every code point from boundaries[k] to below boundaries[k + 1] behaves alike. */
  readonly boundaries: readonly number[];
  readonly asciiClass: Uint16Array;
  /** Per class and word: states that this character moves to the next state. */
  readonly advance: Uint32Array;
  /** Per class and word: states that this character leaves where they are. */
  readonly stay: Uint32Array;
  readonly initial: Uint32Array;
  /** States before a `*` and before a `**` that more tokens follow. */
  readonly stars: Uint32Array;
  readonly deepStars: Uint32Array;
}

const SLASH = 0x2f;

function inSet(set: TokenSet, code: number): boolean {
  const listed = set.ranges.some(([from, to]) => code >= from && code <= to);
  return listed !== set.negated && code !== SLASH;
}

function advances(token: Token, code: number): boolean {
  switch (token.kind) {
    case "literal":
      return token.code === code;
    case "set":
      return inSet(token, code);
    case "deep":
      return token.last || code === SLASH;
    case "star":
      return false;
  }
}

function stays(token: Token, code: number): boolean {
  return token.kind === "deep" || (token.kind === "star" && code !== SLASH);
}

/** First code points of the classes, ascending, beginning with 0. */
function boundariesOf(tokens: readonly Token[]): number[] {
  const starts = new Set([0, SLASH, SLASH + 1]);
  for (const token of tokens) {
    if (token.kind === "literal") starts.add(token.code).add(token.code + 1);
    if (token.kind !== "set") continue;
    for (const [from, to] of token.ranges) starts.add(from).add(to + 1);
  }
  return [...starts].sort((a, b) => a - b);
}

function classOf(boundaries: readonly number[], code: number): number {
  let low = 0;
  let high = boundaries.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((boundaries[middle] ?? 0) <= code) low = middle;
    else high = middle;
  }
  return low;
}

function setBit(words: Uint32Array, offset: number, state: number): void {
  const index = offset + (state >> 5);
  words[index] = (words[index] ?? 0) | (1 << (state & 31));
}

/** State 0 and, while what stands there may match nothing, the next. At most `**` then `*`. */
function markInitial(automaton: Automaton, tokens: readonly Token[]): void {
  let state = 0;
  setBit(automaton.initial, 0, state);
  for (const token of tokens) {
    if (token.kind !== "star" && (token.kind !== "deep" || token.last)) return;
    state++;
    setBit(automaton.initial, 0, state);
  }
}

/** @param tokens of one pattern without braces, as core/globTokens.ts makes them */
export function buildAutomaton(tokens: readonly Token[]): Automaton {
  const words = (tokens.length >> 5) + 1;
  const boundaries = boundariesOf(tokens);
  const automaton: Automaton = {
    words,
    accepting: tokens.length,
    boundaries,
    asciiClass: Uint16Array.from({ length: 128 }, (_, code) => classOf(boundaries, code)),
    advance: new Uint32Array(boundaries.length * words),
    stay: new Uint32Array(boundaries.length * words),
    initial: new Uint32Array(words),
    stars: new Uint32Array(words),
    deepStars: new Uint32Array(words),
  };
  for (const [state, token] of tokens.entries()) {
    if (token.kind === "star") setBit(automaton.stars, 0, state);
    if (token.kind === "deep" && !token.last) setBit(automaton.deepStars, 0, state);
    for (const [index, code] of boundaries.entries()) {
      if (advances(token, code)) setBit(automaton.advance, index * words, state);
      if (stays(token, code)) setBit(automaton.stay, index * words, state);
    }
  }
  markInitial(automaton, tokens);
  return automaton;
}

/**
 * One character: `from` → `to`. A state is left by advancing or kept by staying, and `*` and
 * `**` that were reached may match nothing, which reaches the state after them too.
 * @returns false when no state is left.
 */
function step(automaton: Automaton, from: Uint32Array, to: Uint32Array, code: number): boolean {
  const { words, advance, stay, stars, deepStars } = automaton;
  const known = code < 128 ? automaton.asciiClass[code] : undefined;
  const offset = (known ?? classOf(automaton.boundaries, code)) * words;
  let moveCarry = 0;
  let deepCarry = 0;
  let starCarry = 0;
  let alive = 0;
  for (let w = 0; w < words; w++) {
    const before = from[w] ?? 0;
    const moved = before & (advance[offset + w] ?? 0);
    const arrived = (moved << 1) | moveCarry;
    moveCarry = moved >>> 31;
    // Only arriving at a `**` may skip it; going round in it may not, or it would end in the
    // middle of a segment. So this comes before the states that stay.
    const deep = arrived & (deepStars[w] ?? 0);
    const states = arrived | (deep << 1) | deepCarry | (before & (stay[offset + w] ?? 0));
    deepCarry = deep >>> 31;
    const star = states & (stars[w] ?? 0);
    const after = states | (star << 1) | starCarry;
    starCarry = star >>> 31;
    to[w] = after;
    alive |= after;
  }
  return alive !== 0;
}

/**
 * Whether the whole of a path, as code points, matches.
 * @param onSteps told how many words were computed
 */
export function automatonMatches(
  automaton: Automaton,
  codes: readonly number[],
  onSteps: ((steps: number) => void) | undefined,
): boolean {
  let from = new Uint32Array(automaton.words);
  let to = new Uint32Array(automaton.words);
  from.set(automaton.initial);
  let steps = 0;
  let alive = true;
  for (const code of codes) {
    alive = step(automaton, from, to, code);
    steps += automaton.words;
    if (!alive) break;
    [from, to] = [to, from];
  }
  onSteps?.(steps);
  const { accepting } = automaton;
  return alive && (((from[accepting >> 5] ?? 0) >>> (accepting & 31)) & 1) === 1;
}
