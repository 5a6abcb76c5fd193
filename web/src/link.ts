/**
 * A program as a link. Everything stands behind the `#`, which browsers never send to a server; it is
 * deflated JSON in base64url. Whoever opens a link has not written it: it is bounded, checked field by
 * field, and nothing runs until the person says so.
 *
 * Keeps S22 of SECURITY.md.
 */
import type { Draft } from "./draft.ts";

const PREFIX = "#v1=";
const LONGEST_LINK = 64_000;
const MOST_CHARACTERS = 1_000_000;

/** @throws RangeError when the program is too long for a link */
export async function linkOf(page: string, draft: Draft): Promise<string> {
  const json = new TextEncoder().encode(JSON.stringify(draft));
  const packed = await through(json, new CompressionStream("deflate-raw"), LONGEST_LINK);
  const address = new URL(page);
  address.hash = `${PREFIX}${toBase64Url(packed)}`;
  if (address.href.length > LONGEST_LINK) throw new RangeError("too long for a link");
  return address.href;
}

/** @returns undefined when the fragment is no program of ours */
export async function draftOf(fragment: string): Promise<Draft | undefined> {
  if (!fragment.startsWith(PREFIX) || fragment.length > LONGEST_LINK) return undefined;
  try {
    const packed = fromBase64Url(fragment.slice(PREFIX.length));
    const json = await through(packed, new DecompressionStream("deflate-raw"), MOST_CHARACTERS);
    return checked(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json)));
  } catch {
    // Cut short, another version, or made up: the page opens as if there were none, and says so.
    return undefined;
  }
}

export function looksLikeLink(fragment: string): boolean {
  return fragment.startsWith(PREFIX);
}

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  transform: CompressionStream | DecompressionStream,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  const reader = new Blob([bytes]).stream().pipeThrough(transform).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      await reader.cancel();
      throw new RangeError("too long for a link");
    }
    chunks.push(new Uint8Array(value));
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function toBase64Url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

const TEXTS = [
  "interpreter",
  "environment",
  "args",
  "input",
  "env",
  "timeout",
  "memory",
  "cpu",
  "patterns",
] as const;

function checked(value: unknown): Draft | undefined {
  if (typeof value !== "object" || value === null || !("code" in value)) return undefined;
  const { code } = value;
  if (typeof code !== "string") return undefined;
  const given = new Map<string, unknown>(Object.entries(value));
  const texts = TEXTS.flatMap((name) => {
    const text = given.get(name);
    return typeof text === "string" ? [[name, text] as const] : [];
  });
  return { code, ...Object.fromEntries(texts) };
}
