/**
 * Headers that every answer carries, and those of bytes made by a job.
 *
 * A job's bytes served from our origin must never act as a page of it: a stranger could run a
 * "job" that prints HTML and send its link around. `nosniff` with text/plain or an attachment keeps
 * browsers from reading a page into it, and `sandbox` takes its scripts and origin if one does.
 */

export const SAFE_HEADERS = {
  "X-Content-Type-Options": "nosniff",
  "Content-Security-Policy": "sandbox; default-src 'none'",
  "Cache-Control": "no-store",
  "Referrer-Policy": "no-referrer",
} as const;

/** No cookies or logins exist, so any page may call; it sees only what it was given an id for. */
export const CORS_HEADERS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Expose-Headers":
    "Sandrun-Job-Id, Sandrun-Outcome, Sandrun-Exit-Code, Content-Disposition, Retry-After",
} as const;

export const PREFLIGHT_HEADERS = {
  "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE",
  "Access-Control-Allow-Headers": "Content-Type, Last-Event-ID",
  "Access-Control-Max-Age": "86400",
} as const;

export const PLAIN_TEXT = "text/plain; charset=utf-8";
export const JSON_TYPE = "application/json";

/**
 * `Content-Disposition` for a file that a job named (RFC 6266): a plain ASCII name for old
 * clients and the exact one percent-encoded (RFC 8187). Quotes, line ends and separators in the
 * name could otherwise end the header or name a place on the reader's disk.
 */
export function attachment(path: string): string {
  const name = path.toWellFormed().split("/").at(-1) ?? "";
  const ascii = name.replace(/[^A-Za-z0-9 ._-]/g, "_").slice(0, 200);
  // "." and leading dots make hidden or directory names on the reader's side.
  const plain = ascii.replace(/^[. ]+/, "_") || "file";
  return `attachment; filename="${plain}"; filename*=UTF-8''${extendedValue(name || "file")}`;
}

/** RFC 8187 §3.2.1: everything but attr-char is percent-encoded. */
function extendedValue(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
