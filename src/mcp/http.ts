/**
 * The tools over HTTP, at one address of the service: a server of its own for every request, no
 * sessions, nothing kept between two of them. What the tools ask of the API they ask as the caller
 * of the request, so its quota and limits are the caller's.
 *
 * Programs use it, not web pages: a request with an `Origin` is refused, which every browser sends
 * with a POST. So a page that a resolver was made to place at our address (DNS rebinding) gets no
 * further than one that knows us by our own name.
 *
 * Keeps S14 of SECURITY.md.
 */
import { createMcpHandler } from "@modelcontextprotocol/server";
import { SandrunClient } from "../client/client.ts";
import type { Caller } from "../core/caller.ts";
import { Refusal } from "../core/errors.ts";
import { MCP_LIMITS, SERVICE_LIMITS } from "../core/limits.ts";
import { bodyOf, readWhole, refuseEncoded } from "../http/body.ts";
import type { AppContext, AppDeps } from "../http/deps.ts";
import type { Extension, Within } from "../http/extension.ts";
import { faultFields } from "../http/log.ts";
import { toolServer } from "./tools.ts";

export const mcpExtension: Extension = { path: "/mcp", method: "POST", handler: answer };

async function answer(c: AppContext, deps: AppDeps, within: Within): Promise<Response> {
  if (c.req.header("origin") !== undefined) throw new Refusal("not_for_pages");
  const parsedBody = await readMessage(c, deps, within.caller);
  const client = new SandrunClient({ server: within.address, fetch: within.fetch });
  const keptSeconds = SERVICE_LIMITS.finishedMs / 1000;
  let fault: Error | undefined;
  const handler = createMcpHandler(
    () => toolServer({ client, version: deps.version, keptSeconds }),
    {
      maxSubscriptions: 0,
      // A stream shows signs of life, so that nothing between cuts a long job off.
      responseMode: "sse",
      onerror: (error) => {
        fault = error;
      },
    },
  );
  const response = await handler.fetch(c.req.raw, { parsedBody });
  // Below 500 it was the caller's mistake, of which the log knows by the status.
  if (response.status >= 500) deps.log(faultFields(fault));
  return response;
}

/** @throws Refusal for what is no single message */
async function readMessage(c: AppContext, deps: AppDeps, caller: Caller): Promise<unknown> {
  const { headers } = c.req.raw;
  refuseEncoded(headers);
  const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json")
    throw new Refusal("unsupported_media_type", "Set the header Content-Type to application/json.");
  const endUpload = deps.uploads.beginWhole(caller, headers, MCP_LIMITS.messageBytes);
  try {
    const body = await readWhole(bodyOf(c.req.raw), MCP_LIMITS.messageBytes);
    const message = parsed(body);
    // One job a request: a list would be many at the price of one upload.
    if (Array.isArray(message)) throw new Refusal("bad_request", "Send one message at a time.");
    return message;
  } finally {
    endUpload();
  }
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new Refusal("bad_request", "The body is not valid JSON.");
  } finally {
    body.fill(0);
  }
}
