/**
 * Names of files that callers bring in.
 *
 * A path is only ever used below /work inside a box, so this check is not what keeps a job
 * in its box. It keeps one meaning for every name: what a caller reads in an answer, what the
 * box creates and what an archive lists is the same string, byte for byte, on every system.
 *
 * Keeps S12 of SECURITY.md.
 */
import { Refusal } from "./errors.ts";
import { TRANSFER_LIMITS } from "./limits.ts";

/** Longest text that `showPath` returns, in UTF-16 units. */
const SHOWN_CHARACTERS = 200;

/** Code points that would change how a message or a terminal shows what stands around them. */
function isTreacherous(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    (code >= 0xd800 && code <= 0xdfff) ||
    code === 0x061c ||
    code === 0xfeff
  );
}

function escapeCode(code: number): string {
  return code <= 0xff
    ? `\\x${code.toString(16).padStart(2, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}

/**
 * Any hostile string as one line for messages and terminals: control characters, direction
 * marks and lone surrogates as `\x1b` or `\u202e`, a backslash doubled, at most 200 units.
 */
export function showPath(raw: string): string {
  let shown = "";
  for (const character of raw) {
    const code = character.codePointAt(0) ?? 0;
    const piece = character === "\\" ? "\\\\" : isTreacherous(code) ? escapeCode(code) : character;
    if (shown.length + piece.length > SHOWN_CHARACTERS) return `${shown}…`;
    shown += piece;
  }
  return shown;
}

/** Length in bytes of a well-formed string as UTF-8. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair counts two: four bytes together.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
  }
  return bytes;
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit === 0x7f) return true;
  }
  return false;
}

/** Why the raw string as a whole cannot be a path; undefined when it can. */
function faultOfWhole(raw: string): string | undefined {
  if (raw === "") return "it is empty";
  if (raw.length > TRANSFER_LIMITS.pathBytes) {
    return `it is longer than ${TRANSFER_LIMITS.pathBytes} bytes`;
  }
  if (!raw.isWellFormed()) return "it is not valid Unicode";
  if (hasControlCharacter(raw)) return "it has a control character";
  // Some systems read it as a separator, so `..\x` climbs there and is a plain name here.
  if (raw.includes("\\")) return "it has a backslash";
  if (raw.startsWith("/")) return "it is absolute";
  if (utf8Length(raw) > TRANSFER_LIMITS.pathBytes) {
    return `it is longer than ${TRANSFER_LIMITS.pathBytes} bytes`;
  }
  return undefined;
}

function faultOfSegments(segments: readonly string[]): string | undefined {
  // Looked for after `./` is gone, so that what was accepted once is always accepted again.
  if (/^[A-Za-z]:/.test(segments[0] ?? "")) return "it begins with a drive letter";
  if (segments.includes("..")) return "it climbs with '..'";
  if (segments.length > TRANSFER_LIMITS.pathDepth) {
    return `it is deeper than ${TRANSFER_LIMITS.pathDepth} levels`;
  }
  if (segments.some((segment) => utf8Length(segment) > TRANSFER_LIMITS.pathSegmentBytes)) {
    return `a part of it is longer than ${TRANSFER_LIMITS.pathSegmentBytes} bytes`;
  }
  return undefined;
}

function refusePath(raw: string, fault: string): never {
  throw new Refusal("bad_path", `"${showPath(raw)}": ${fault}`);
}

function checkedSegments(raw: string): string[] {
  const fault = faultOfWhole(raw);
  if (fault !== undefined) refusePath(raw, fault);
  const segments = raw.split("/").filter((segment) => segment !== "" && segment !== ".");
  const segmentFault = faultOfSegments(segments);
  if (segmentFault !== undefined) refusePath(raw, segmentFault);
  return segments;
}

/**
 * The normalised form of a file's path: relative, `/`-separated, without empty or `.` segments
 * (`./a//b` → `a/b`). At most 512 bytes of UTF-8, 255 a segment, 32 segments.
 * A name that only a directory can have (`a/`, `a/.`, `.`) is refused.
 * @throws Refusal `bad_path`, naming the path.
 */
export function checkPath(raw: string): string {
  const segments = checkedSegments(raw);
  if (segments.length === 0 || raw.endsWith("/") || raw.endsWith("/.")) {
    refusePath(raw, "it names a directory");
  }
  return segments.join("/");
}

/**
 * As `checkPath`, for a directory, with or without `/` at its end.
 * @returns undefined for the top itself (`.`, `./`).
 */
export function checkDirectoryPath(raw: string): string | undefined {
  const segments = checkedSegments(raw);
  return segments.length === 0 ? undefined : segments.join("/");
}
