/**
 * The web page, served from memory: a fixed set of files, read once at start, found by their exact
 * path. No name that a caller sends is ever looked up on a disk.
 *
 * It is the one thing here that is a page of ours, with a policy of its own (webPolicy.ts); everything
 * else keeps the headers that make no page at all.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import type { AppContext } from "./deps.ts";
import { HEADER_POLICY } from "./webPolicy.ts";

const TYPES: ReadonlyMap<string, string> = new Map([
  ["html", "text/html; charset=utf-8"],
  ["js", "text/javascript; charset=utf-8"],
  ["css", "text/css; charset=utf-8"],
  ["svg", "image/svg+xml"],
]);

const PAGE_HEADERS = {
  "Content-Security-Policy": HEADER_POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
} as const;

export interface WebFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same for clients that take it: a third of the bytes. */
  readonly gzipped: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Path in the address, such as `/assets/index-1234.js` → file. */
export type WebFiles = ReadonlyMap<string, WebFile>;

/** @throws Error with one sentence when the page was not built */
export function readWebFiles(directory: string): WebFiles {
  let entries: ReturnType<typeof readEntries>;
  try {
    entries = readEntries(directory);
  } catch (cause) {
    throw new Error("the web page is not built; run: npm run build:web", { cause });
  }
  return new Map(entries);
}

function readEntries(directory: string): [string, WebFile][] {
  const found = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)));
  if (!files.includes("index.html")) throw new Error("index.html is missing");
  return files.flatMap((path): [string, WebFile][] => {
    const type = TYPES.get(path.slice(path.lastIndexOf(".") + 1));
    if (type === undefined) return [];
    // Names below assets/ hold a hash of their contents.
    const cache = path.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache";
    const headers = { ...PAGE_HEADERS, "Content-Type": type, "Cache-Control": cache };
    const bytes = new Uint8Array(readFileSync(join(directory, path)));
    return [
      [`/${path}`, { bytes, gzipped: new Uint8Array(gzipSync(bytes, { level: 9 })), headers }],
    ];
  });
}

/** At `/` programs get the service's facts and browsers the page. */
export function wantsPage(c: AppContext): boolean {
  return /text\/html/i.test(c.req.header("accept") ?? "");
}

/** @returns undefined when the page has no such file */
export function webFile(c: AppContext, files: WebFiles, path: string): Response | undefined {
  const file = files.get(path);
  if (file === undefined) return undefined;
  c.set("headers", "page");
  const headers = { ...file.headers, Vary: "Accept, Accept-Encoding" };
  return takesGzip(c)
    ? c.body(file.gzipped, 200, { ...headers, "Content-Encoding": "gzip" })
    : c.body(file.bytes, 200, headers);
}

function takesGzip(c: AppContext): boolean {
  const accepted = (c.req.header("accept-encoding") ?? "").toLowerCase().split(",");
  return accepted.some((word) => {
    const [name = "", ...parameters] = word.split(";").map((part) => part.trim());
    return name === "gzip" && !parameters.some((part) => /^q=0(\.0*)?$/.test(part));
  });
}
