/** The tools over standard input and output, for one agent program that started us. */
import type { Readable, Writable } from "node:stream";
import { StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import { MCP_LIMITS } from "../core/limits.ts";
import { type ToolParts, toolServer } from "./tools.ts";

export interface StdioParts extends Omit<ToolParts, "track"> {
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Ends the session. */
  readonly signal: AbortSignal;
}

/** Says when it was closed, which the library's own tells to one listener only. */
class Transport extends StdioServerTransport {
  readonly closed = Promise.withResolvers<void>();

  override async close(): Promise<void> {
    await super.close();
    this.closed.resolve();
  }
}

/**
 * Serves until the other side closes its end, or `signal`; calls under way are cancelled then.
 * @returns what broke the session, undefined for an orderly end
 */
export async function serveTools(parts: StdioParts): Promise<Error | undefined> {
  const calls = new Set<Promise<unknown>>();
  const track = (call: Promise<unknown>) => {
    calls.add(call);
    void call.finally(() => calls.delete(call));
  };
  let lastError: Error | undefined;
  const transport = new Transport(parts.stdin, parts.stdout, {
    maxBufferSize: MCP_LIMITS.messageBytes,
  });
  const served = serveStdio(() => toolServer({ ...parts, track }), {
    transport,
    maxSubscriptions: 0,
    onerror: (error) => {
      lastError = error;
    },
  });
  const stop = () => void served.close();
  if (parts.signal.aborted) stop();
  parts.signal.addEventListener("abort", stop, { once: true });
  await transport.closed.promise;
  await Promise.all(calls);
  const isOrderly = parts.signal.aborted || parts.stdin.readableEnded || parts.stdin.destroyed;
  // Most errors are a message that could not be read, which the session survives.
  return isOrderly ? undefined : lastError;
}
