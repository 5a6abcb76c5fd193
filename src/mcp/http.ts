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
import { Refusal } from "../core/errors.ts";
import { MCP_LIMITS, SERVICE_LIMITS } from "../core/limits.ts";
import type { AppContext, AppDeps } from "../http/deps.ts";
import type { Extension, Within } from "../http/extension.ts";
import { readJsonBody } from "../http/jsonBody.ts";
import { faultFields } from "../http/log.ts";
import { Places } from "../http/places.ts";
import { whenSent } from "../http/sent.ts";
import { toolServer } from "./tools.ts";

/** One for a service: it counts the calls of all. */
export function mcpExtension(): Extension {
  const { callsPerCaller: perCaller, calls: total } = MCP_LIMITS;
  const calls = new Places({ perCaller, total, what: "calls" });
  return {
    path: "/mcp",
    method: "POST",
    handler: async (c, deps, within) => {
      if (c.req.header("origin") !== undefined) throw new Refusal("not_for_pages");
      const leave = calls.take(within.caller.key);
      whenSent(c, leave);
      return await answer(c, deps, within);
    },
  };
}

async function answer(c: AppContext, deps: AppDeps, within: Within): Promise<Response> {
  const { messageBytes } = MCP_LIMITS;
  const parsedBody = await readJsonBody(c, within.caller, deps.uploads, messageBytes);
  // One job a request: a list would be many at the price of one upload.
  if (Array.isArray(parsedBody)) throw new Refusal("bad_request", "Send one message at a time.");
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
