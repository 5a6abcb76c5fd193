/** The protocol's own client, as agent programs use it, on a service without a socket. */
import {
  Client,
  type ProgressCallback,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { mcpExtension } from "../../src/mcp/http.ts";
import type { ServiceOptions } from "../../src/service.ts";
import { makeRig, type Rig } from "../fakes/service.ts";

/** The newest revision of the protocol, and those before it. */
export const ERAS = ["modern", "legacy"] as const;
export type Era = (typeof ERAS)[number];

export interface Agent {
  readonly client: Client;
  call(name: string, fields: object, options?: CallOptions): Promise<Result>;
  close(): Promise<void>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: ProgressCallback;
}

export interface Result {
  readonly isError: boolean;
  /** The text blocks. */
  readonly texts: readonly string[];
  readonly images: readonly { readonly data: string; readonly mimeType: string }[];
  readonly links: readonly { readonly uri: string; readonly name: string }[];
  readonly structured: Record<string, unknown>;
}

export function makeMcpRig(options: Partial<ServiceOptions> = {}): Rig {
  return makeRig({ extensions: [mcpExtension()], ...options });
}

/** A client that speaks with the given `fetch`, or with the rig. */
export async function connect(
  to: Rig | ((url: string | URL, init?: RequestInit) => Promise<Response>),
  era: Era = "modern",
  url = "http://box.example/mcp",
): Promise<Agent> {
  const fetch =
    typeof to === "function"
      ? to
      : async (address: string | URL, init?: RequestInit) =>
          to.app.fetch(new Request(address, init));
  const client = new Client(
    { name: "agent", version: "1.0.0" },
    { versionNegotiation: { mode: era === "modern" ? "auto" : "legacy" } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch }));
  return agentOf(client);
}

export function agentOf(client: Client): Agent {
  return {
    client,
    call: async (name, fields, options = {}) => {
      const given = { name, arguments: { ...fields } };
      return resultOf(await client.callTool(given, options));
    },
    close: () => client.close(),
  };
}

function resultOf(answer: Awaited<ReturnType<Client["callTool"]>>): Result {
  const { content } = answer;
  return {
    isError: answer.isError === true,
    texts: content.flatMap((block) => (block.type === "text" ? [block.text] : [])),
    images: content.flatMap((block) => (block.type === "image" ? [block] : [])),
    links: content.flatMap((block) => (block.type === "resource_link" ? [block] : [])),
    structured: { ...(answer.structuredContent as object | undefined) },
  };
}
