/**
 * What a program prints, as pieces of text with a style. Understands SGR (colours and weights) and
 * leaves every other escape sequence out. The bytes are hostile: a sequence may be cut in two, never
 * end, or come a million times; so state is a few fields, and what is held back is bounded.
 */

/** 0–15 are named by class, 16–255 and 24-bit ones are numbers. */
export type Colour = number | { readonly rgb: readonly [number, number, number] };

export interface Style {
  readonly colour?: Colour;
  readonly background?: Colour;
  readonly bold?: true;
  readonly dim?: true;
  readonly italic?: true;
  readonly underline?: true;
  readonly strike?: true;
  readonly inverse?: true;
}

export type Piece =
  | { readonly kind: "text"; readonly text: string; readonly style: Style }
  | { readonly kind: "newline" }
  /** The cursor goes to the start of its line: what comes replaces the line. */
  | { readonly kind: "return" };

/** A sequence longer than this is taken for rubbish and dropped. */
const LONGEST_SEQUENCE = 256;

const ESC = "\u001b";
const CONTROL = "\\u0000-\\u001f";
/** Until the end of CSI: parameters, then intermediate bytes. */
const CSI = `${ESC}\\[([0-?]*)[ -/]*`;
/** OSC, DCS and the like, without their end. */
const STRING = `${ESC}[\\]PX^_][^${CONTROL}]`;

/** CSI; strings up to their end; two-character escapes; line ends; other controls but the tab. */
const TOKEN = new RegExp(
  [
    `${CSI}([@-~])`,
    `${STRING}{0,${LONGEST_SEQUENCE}}(?:\\u0007|${ESC}\\\\)`,
    `${ESC}[ -/]?[0-OQ-WYZ\\\\\`-~]`,
    "(\\r?\\n)",
    "(\\r)",
    "[\\u0000-\\u0008\\u000b-\\u001f\\u007f]",
  ].join("|"),
  "g",
);

/** Could the text's end be the beginning of a sequence? */
const UNFINISHED = new RegExp(`(?:${CSI}|${STRING}*${ESC}?|${ESC}[ -/]?|\\r)$`);

export class AnsiReader {
  #style: Style = {};
  #held = "";

  feed(chunk: string): Piece[] {
    const text = this.#held + chunk;
    const cut = this.#cutAt(text);
    this.#held = text.slice(cut);
    return this.#pieces(text.slice(0, cut));
  }

  #cutAt(text: string): number {
    const tail = Math.max(0, text.length - LONGEST_SEQUENCE);
    const found = UNFINISHED.exec(text.slice(tail));
    return found === null ? text.length : tail + found.index;
  }

  #pieces(text: string): Piece[] {
    const pieces: Piece[] = [];
    let at = 0;
    const plain = (end: number) => {
      if (end > at) pieces.push({ kind: "text", text: text.slice(at, end), style: this.#style });
    };
    for (const match of text.matchAll(TOKEN)) {
      plain(match.index);
      at = match.index + match[0].length;
      const [, parameters, final, newline, carriage] = match;
      if (newline !== undefined) pieces.push({ kind: "newline" });
      else if (carriage !== undefined) pieces.push({ kind: "return" });
      else if (final === "m") this.#style = restyled(this.#style, parameters ?? "");
    }
    plain(text.length);
    return pieces;
  }
}

const WEIGHTS: Readonly<Record<number, Style>> = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
};

const UNDONE: Readonly<Record<number, readonly (keyof Style)[]>> = {
  22: ["bold", "dim"],
  23: ["italic"],
  24: ["underline"],
  27: ["inverse"],
  29: ["strike"],
  39: ["colour"],
  49: ["background"],
};

function restyled(before: Style, parameters: string): Style {
  if (!/^[\d;:]*$/.test(parameters)) return before;
  const codes = parameters.split(/[;:]/).map((code) => Number(code || "0"));
  let style = before;
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    if (code === 38 || code === 48) {
      const [colour, taken] = longColour(codes.slice(at + 1, at + 5));
      at += taken;
      if (colour === undefined) continue;
      style = { ...style, ...(code === 38 ? { colour } : { background: colour }) };
    } else {
      style = oneCode(style, code);
    }
  }
  return style;
}

function oneCode(style: Style, code: number): Style {
  if (code === 0) return {};
  if (code >= 30 && code <= 37) return { ...style, colour: code - 30 };
  if (code >= 90 && code <= 97) return { ...style, colour: code - 82 };
  if (code >= 40 && code <= 47) return { ...style, background: code - 40 };
  if (code >= 100 && code <= 107) return { ...style, background: code - 92 };
  const undone = UNDONE[code];
  if (undone === undefined) return { ...style, ...WEIGHTS[code] };
  return Object.fromEntries(
    Object.entries(style).filter(([name]) => !undone.some((gone) => gone === name)),
  );
}

/** After 38 or 48: `5;N` or `2;R;G;B`. @returns how many numbers it took */
function longColour(numbers: readonly number[]): readonly [Colour | undefined, number] {
  const [form, first = 0, second = 0, third = 0] = numbers;
  const fits = (value: number) => Number.isInteger(value) && value >= 0 && value <= 255;
  if (form === 5) return [fits(first) ? first : undefined, 2];
  if (form !== 2) return [undefined, 0];
  const all = [first, second, third] as const;
  return [all.every(fits) ? { rgb: all } : undefined, 4];
}

/** Of the palette's colours from 16 on; null for those that the page's own style names. */
export function rgbOf(colour: Colour): readonly [number, number, number] | null {
  if (typeof colour !== "number") return colour.rgb;
  if (colour < 16) return null;
  if (colour >= 232) {
    const grey = 8 + (colour - 232) * 10;
    return [grey, grey, grey];
  }
  const index = colour - 16;
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  return [level(Math.floor(index / 36)), level(Math.floor(index / 6) % 6), level(index % 6)];
}
