/**
 * SemVer selectors as Piston's clients write them: `*`, `3.x`, `3.11.2`, `^3.9`, `~3.10`,
 * `>=3.9 <4`, `1 - 2`, `2 || 3`. No pre-releases: no interpreter here is one.
 *
 * A selector is a stranger's text: it is short, and no expression here can backtrack over it.
 */

type Version = readonly [number, number, number];

/** From the first version on, below the second; undefined = without end. */
interface Span {
  readonly from: Version;
  readonly below: Version | undefined;
}

const SELECTOR_CHARACTERS = 100;
const ZERO: Version = [0, 0, 0];

/** Three numbers, as clients compare them: `3.11` → `3.11.0`; undefined for what has none. */
export function semverOf(version: string): string | undefined {
  const parts = /^(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?/.exec(version);
  if (parts === null) return undefined;
  return [parts[1], parts[2] ?? "0", parts[3] ?? "0"].map(Number).join(".");
}

/** @param version from `semverOf`; a selector that cannot be read is satisfied by nothing */
export function satisfies(version: string, selector: string): boolean {
  if (selector.length > SELECTOR_CHARACTERS) return false;
  const numbers = version.split(".").map(Number);
  const exact: Version = [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0];
  return selector.split("||").some((range) => {
    const spans = spansOf(range.trim());
    return spans?.every((span) => isIn(exact, span)) === true;
  });
}

/** Newest first. */
export function compareNewest(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split(".").map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (right?.[index] ?? 0) - (left?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function spansOf(range: string): readonly Span[] | undefined {
  const hyphen = range.split(/ +- +/);
  if (hyphen.length === 2) {
    const [from, to] = hyphen.map(partialOf);
    if (from === undefined || to === undefined) return undefined;
    return [{ from: floor(from), below: to.length === 0 ? undefined : after(to) }];
  }
  // `>= 3` is one word.
  const words = range.replace(/([<>=^~]) +/g, "$1").split(" ");
  const spans = words.filter((word) => word !== "").map(spanOf);
  return spans.every((span) => span !== undefined) ? spans : undefined;
}

function spanOf(word: string): Span | undefined {
  const [, operator = "", rest = ""] = /^(>=|<=|>|<|=|\^|~>?)?(.*)$/.exec(word) ?? [];
  const partial = partialOf(rest);
  if (partial === undefined) return undefined;
  const from = floor(partial);
  if (partial.length === 0) return { from: ZERO, below: operator === "<" ? ZERO : undefined };
  switch (operator) {
    case ">=":
      return { from, below: undefined };
    case ">":
      return { from: after(partial), below: undefined };
    case "<":
      return { from: ZERO, below: from };
    case "<=":
      return { from: ZERO, below: after(partial) };
    case "^":
      return { from, below: after(partial.slice(0, firstThatCounts(partial))) };
    case "~":
    case "~>":
      return { from, below: after(partial.slice(0, 2)) };
    default:
      return { from, below: after(partial) };
  }
}

/** Up to where a caret holds on: `^1.2` changes no 1, `^0.2` no 2, `^0.0.3` no 3. */
function firstThatCounts(partial: readonly number[]): number {
  const index = partial.findIndex((number) => number > 0);
  return index < 0 ? partial.length : index + 1;
}

/** `3`, `3.x` → [3]; `*`, `` → []; undefined for what is no version. */
function partialOf(text: string): readonly number[] | undefined {
  const parts = text.replace(/^v/, "").split(".");
  if (parts.length > 3) return undefined;
  const wild = parts.findIndex((part) => part === "" || /^[xX*]$/.test(part));
  const numbers = parts.slice(0, wild < 0 ? parts.length : wild);
  return numbers.every((part) => /^\d{1,9}$/.test(part)) ? numbers.map(Number) : undefined;
}

function floor([major = 0, minor = 0, patch = 0]: readonly number[]): Version {
  return [major, minor, patch];
}

/** The first version that is not covered: [3] → 4.0.0, [3, 1] → 3.2.0. */
function after(partial: readonly number[]): Version {
  const last = Math.max(0, partial.length - 1);
  return floor([...partial.slice(0, last), (partial[last] ?? 0) + 1]);
}

function isIn(version: Version, { from, below }: Span): boolean {
  return isAtLeast(version, from) && (below === undefined || !isAtLeast(version, below));
}

function isAtLeast(version: Version, other: Version): boolean {
  for (let index = 0; index < 3; index++) {
    const difference = (version[index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
