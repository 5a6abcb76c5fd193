/**
 * WebSocket handshakes: the one way to leave HTTP. A connection that is refused here is closed with
 * the API's own error, never kept: a proxy that believed in the upgrade would pass on what comes
 * next as part of it, and we would read that as a request of somebody else. For the same reason a
 * handshake has no body.
 *
 * Any origin may connect, as with CORS: there are no cookies, and the id is the only right.
 *
 * Keeps S14 of SECURITY.md.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Hono } from "hono";
import { type WebSocket, WebSocketServer } from "ws";
import type { Caller } from "../core/caller.ts";
import { Refusal } from "../core/errors.ts";
import { STREAM_LIMITS } from "../core/limits.ts";
import type { AppDeps, AppEnv } from "./deps.ts";
import { within } from "./extension.ts";
import { placeOf } from "./follow.ts";
import { faultFields } from "./log.ts";
import { endWith } from "./rawAnswer.ts";
import { serveSocket } from "./socket.ts";

export interface Upgrades {
  /** Whether a request asks for what is upgraded here; all others stay HTTP. */
  wants(request: IncomingMessage): boolean;
  /** Upgrades the connection or ends it; never throws. */
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

const PATH = /^\/logs\/([^/?]+)(?:\/stream)?(?:\?(.*))?$/;

/** @param app asked by sockets of other rooms, as their caller */
export function createUpgrades(deps: AppDeps, app: Hono<AppEnv>): Upgrades {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Compression keeps a window for each connection and can blow up what comes in.
    perMessageDeflate: false,
    maxPayload: STREAM_LIMITS.messageBytes,
    maxFragments: STREAM_LIMITS.messageFragments,
    maxBufferedChunks: STREAM_LIMITS.messageFragments,
    handleProtocols: () => false,
  });
  server.on("wsClientError", (_error, socket) => {
    endWith(socket, 400, new Refusal("bad_request", "This is no WebSocket handshake."));
  });
  const other = ({ url = "" }: IncomingMessage) =>
    deps.sockets?.find(({ path }) => path === url.split("?")[0]);
  const accept = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    checkHandshake(request);
    const caller = callerOf(request, deps);
    const extension = other(request);
    const serve =
      extension === undefined
        ? followed(request, deps)
        : (ws: WebSocket) => extension.serve(ws, deps, within(caller, app));
    const leave = deps.places.take(caller.key);
    // Also when the handshake fails from here on.
    socket.once("close", leave);
    server.handleUpgrade(request, socket, head, (ws) => {
      serve(ws).catch((fault: unknown) => {
        deps.log(faultFields(fault));
        ws.terminate();
      });
    });
  };
  return {
    wants: (request) =>
      request.headers.upgrade?.trim().toLowerCase() === "websocket" &&
      (PATH.test(request.url ?? "") || other(request) !== undefined),
    take: (request, socket, head) => {
      const begunAtMs = deps.nowMs();
      let status = 101;
      try {
        accept(request, socket, head);
      } catch (thrown) {
        const refusal = thrown instanceof Refusal ? thrown : undefined;
        if (refusal === undefined) deps.log(faultFields(thrown));
        status = refusal?.status ?? 500;
        if (refusal === undefined) socket.destroy();
        else endWith(socket, status, refusal);
      }
      const duration_ms = deps.nowMs() - begunAtMs;
      const route = other(request)?.path ?? "/logs/:id";
      deps.log({ event: "request", method: "GET", route, status, duration_ms });
    },
  };
}

/** @throws Refusal for what is no handshake that may leave HTTP */
function checkHandshake({ headers, method, httpVersion }: IncomingMessage): void {
  if (method !== "GET") throw new Refusal("method_not_allowed");
  if (httpVersion !== "1.1" || headers.host === undefined) {
    throw new Refusal("bad_request", "A handshake is HTTP/1.1 with the header Host.");
  }
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"]);
  if (hasBody) throw new Refusal("bad_request", "A handshake has no body.");
}

/** The job of the address. @throws Refusal not_found, bad_request */
function followed({ url = "" }: IncomingMessage, deps: AppDeps) {
  const [, id = "", query] = PATH.exec(url) ?? [];
  const job = deps.engine.find(id);
  if (job === undefined) throw new Refusal("not_found");
  const place = placeOf(job, new URLSearchParams(query).get("from") ?? undefined);
  return (ws: WebSocket) => serveSocket(ws, job, place, deps);
}

function callerOf({ headers, socket }: IncomingMessage, { callers }: AppDeps): Caller {
  const forwardedFor = headers["x-forwarded-for"];
  return callers.identify(
    socket.remoteAddress,
    Array.isArray(forwardedFor) ? forwardedFor.join(",") : forwardedFor,
  );
}
