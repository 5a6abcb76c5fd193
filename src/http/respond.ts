/**
 * Answers that carry all their headers from the start. The app would add those of every answer to any
 * other, but then they become an object of the web's kind first, which costs as much as all else that
 * is done to answer a small job.
 */
import type { AppContext } from "./deps.ts";
import { CORS_HEADERS, JSON_TYPE, SAFE_HEADERS } from "./headers.ts";

const ALL_HEADERS = { ...SAFE_HEADERS, ...CORS_HEADERS } as const;

export function respond(
  c: AppContext,
  status: number,
  body: Uint8Array<ArrayBuffer> | string,
  headers: Readonly<Record<string, string>>,
): Response {
  c.set("headers", "all");
  return new Response(body, { status, headers: { ...ALL_HEADERS, ...headers } });
}

export function respondJson(
  c: AppContext,
  status: number,
  answer: object,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return respond(c, status, JSON.stringify(answer), { "Content-Type": JSON_TYPE, ...headers });
}
