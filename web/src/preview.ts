/**
 * Looks into an output file. Its bytes and its name are hostile: text becomes text nodes, a picture is
 * only ever the source of an `<img>` (where SVG runs nothing), and what kind it is comes from its
 * first bytes, never from what somebody says. SVG goes in a `data:` address: opened in a tab of its
 * own that has an origin of nobody, where a `blob:` would have ours.
 *
 * Keeps S22 of SECURITY.md.
 */
import { readTable } from "./csv.ts";
import { make } from "./dom.ts";
import { isCostly } from "./svgCost.ts";

const TEXT_BYTES = 200_000;
const SVG_BYTES = 2_000_000;
const PICTURE_BYTES = 16_000_000;

export interface Preview {
  readonly element: HTMLElement;
  /** Gives back what it holds. */
  close(): void;
}

const NOTHING_HELD = (): void => undefined;

/** @returns undefined when there is nothing to see: binary, or too large */
export async function previewOf(path: string, blob: Blob): Promise<Preview | undefined> {
  const head = new Uint8Array(await blob.slice(0, 16).arrayBuffer());
  const type = pictureType(head);
  if (type !== undefined) return blob.size > PICTURE_BYTES ? undefined : picture(path, blob, type);
  const text = await textOf(blob);
  if (text === undefined) return undefined;
  if (isSvg(path, text) && blob.size <= SVG_BYTES) return svg(path, blob);
  const element = /\.(csv|tsv)$/i.test(path) ? table(path, text) : plain(text);
  if (blob.size > TEXT_BYTES) element.append(note("Only the beginning is shown."));
  return { element, close: NOTHING_HELD };
}

function pictureType(head: Uint8Array): string | undefined {
  const starts = (...bytes: number[]) => bytes.every((byte, at) => head[at] === byte);
  const word = (at: number, text: string) =>
    [...text].every((character, index) => head[at + index] === character.charCodeAt(0));
  if (starts(0x89, 0x50, 0x4e, 0x47)) return "image/png";
  if (starts(0xff, 0xd8, 0xff)) return "image/jpeg";
  if (word(0, "GIF8")) return "image/gif";
  if (word(0, "RIFF") && word(8, "WEBP")) return "image/webp";
  if (word(4, "ftypavif")) return "image/avif";
  return undefined;
}

function isSvg(path: string, text: string): boolean {
  return /\.svg$/i.test(path) && /<svg[\s>]/i.test(text.slice(0, 4000));
}

function picture(path: string, blob: Blob, type: string): Preview {
  const address = URL.createObjectURL(new Blob([blob], { type }));
  return { element: image(path, address), close: () => URL.revokeObjectURL(address) };
}

async function svg(path: string, blob: Blob): Promise<Preview> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const draw = () => image(path, svgAddress(bytes));
  if (!isCostly(new TextDecoder().decode(bytes))) return { element: draw(), close: NOTHING_HELD };
  const element = make("div", {}, [
    note("Drawing this picture may take long, or never end: its parts repeat each other."),
  ]);
  const anyway = make("button", {
    class: "small",
    text: "Draw it all the same",
    onClick: () => element.replaceChildren(draw()),
  });
  element.append(anyway);
  return { element, close: NOTHING_HELD };
}

function svgAddress(bytes: Uint8Array): string {
  return `data:image/svg+xml;base64,${bytes.toBase64?.() ?? slowBase64(bytes)}`;
}

function slowBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function image(path: string, address: string): HTMLElement {
  const element = make("img", { attributes: { alt: `Picture ${path.split("/").at(-1) ?? ""}` } });
  const frame = make("div", { class: "picture" }, [element]);
  element.addEventListener("error", () => frame.replaceChildren(note("This picture is broken.")));
  element.src = address;
  return frame;
}

/** The beginning of it; undefined when it is not UTF-8 or has NULs. */
async function textOf(blob: Blob): Promise<string | undefined> {
  const bytes = new Uint8Array(await blob.slice(0, Math.max(TEXT_BYTES, 0)).arrayBuffer());
  if (bytes.includes(0)) return undefined;
  try {
    // `stream`: the cut may go through a character.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

function plain(text: string): HTMLElement {
  const attributes = { tabindex: "0", "aria-label": "Contents", role: "group" };
  return make("div", {}, [make("pre", { text, attributes })]);
}

function table(path: string, text: string): HTMLElement {
  const { rows, isCut } = readTable(text, /\.tsv$/i.test(path) ? "\t" : ",");
  const [first = [], ...rest] = rows;
  // A column is set as numbers when its first row has one; its title stands above them.
  const kind = (column: number) => (isNumber(rest[0]?.[column] ?? "") ? "number" : "");
  const titles = first.map((cell, column) =>
    make("th", { text: cell, class: kind(column), attributes: { scope: "col" } }),
  );
  const lines = rest.map((row) =>
    make(
      "tr",
      {},
      row.map((cell, column) => make("td", { text: cell, class: kind(column) })),
    ),
  );
  const head = make("thead", {}, [make("tr", {}, titles)]);
  const attributes = { tabindex: "0", "aria-label": "Table", role: "group" };
  const grid = make("table", {}, [head, make("tbody", {}, lines)]);
  const all = make("div", {}, [make("div", { class: "table", attributes }, [grid])]);
  if (isCut) all.append(note("Only the beginning is shown."));
  return all;
}

function isNumber(cell: string): boolean {
  return cell !== "" && Number.isFinite(Number(cell));
}

function note(text: string): HTMLElement {
  return make("p", { class: "hint", text });
}
