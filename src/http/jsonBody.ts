/** Bodies of JSON: bounded, read whole and overwritten. */
import type { Caller } from "../core/caller.ts";
import { Refusal } from "../core/errors.ts";
import { readWhole, refuseEncoded } from "./body.ts";
import type { AppContext } from "./deps.ts";
import type { Uploads } from "./uploads.ts";

/**
 * @param types content types that are taken for JSON
 * @throws Refusal unsupported_media_type, too_large, caller_busy, queue_full, bad_request
 */
export async function readJsonBody(
  c: AppContext,
  caller: Caller,
  uploads: Uploads,
  mostBytes: number,
  types: readonly string[] = ["application/json"],
): Promise<unknown> {
  const { headers } = c.req.raw;
  refuseEncoded(headers);
  const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (!types.includes(type))
    throw new Refusal("unsupported_media_type", "Set the header Content-Type to application/json.");
  const upload = uploads.beginWhole(caller, headers, mostBytes);
  try {
    const body = await readWhole(c, upload, mostBytes);
    try {
      return parseJson(body);
    } finally {
      body.fill(0);
    }
  } finally {
    upload.end();
  }
}

/** @param bytes UTF-8 @throws Refusal bad_request */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // The parser's own message quotes the document, and logs or pages might show it.
    throw new Refusal("bad_request", "The body is not valid JSON.");
  }
}
