/**
 * The listener: HTTP/1.1 over TLS or, behind a proxy, plain. Everything before the app is bounded
 * here: header bytes, the time that headers and bodies may take, idle and open connections.
 * What the parser refuses is answered in the API's own form and the connection closed, since
 * nobody knows where the next request would begin.
 *
 * Keeps S14 of SECURITY.md.
 */

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { Refusal } from "../core/errors.ts";
import { HTTP_LIMITS, TRANSFER_LIMITS } from "../core/limits.ts";
import type { AppEnv } from "./deps.ts";
import { faultResponse, refusalResponse } from "./errors.ts";
import { faultFields, type ServiceLog } from "./log.ts";
import { endWith } from "./rawAnswer.ts";
import { takeOver } from "./takeOver.ts";
import { type TlsFiles, tlsOptions } from "./tls.ts";
import { Traffic } from "./traffic.ts";
import type { Unread, UnreadTimes } from "./unread.ts";
import type { Upgrades } from "./upgrade.ts";

/** Where to listen; `host` left out = all addresses. */
export type ListenAt =
  | { readonly port: number; readonly host?: string }
  | { readonly path: string }
  | { readonly fd: number };

/** How often a server that closes looks for connections that wait for nothing any more. */
const DRAIN_LOOK_MS = 20;

export interface ServerOptions {
  readonly app: Hono<AppEnv>;
  readonly log: ServiceLog;
  /** Left out = nothing leaves HTTP. */
  readonly upgrades?: Upgrades;
  /** Told of every answer; left out = none is bound by anything but its connection. */
  readonly unread?: Unread;
  /** Left out = plain HTTP: for loopback and Unix sockets only, which the configuration sees to. */
  readonly tls?: TlsFiles;
  readonly limits?: Partial<Record<keyof typeof HTTP_LIMITS, number>>;
}

export interface Listening {
  /** `127.0.0.1:8443`, `[::]:8443` or the path of the socket. */
  readonly address: string;
  /** Undefined for a Unix socket. */
  readonly port: number | undefined;
  readonly traffic: Traffic;
  /** Takes no more connections; resolves when the answers under way are out, or cut after a while. */
  close(): Promise<void>;
}

/** @throws TlsError; rejects with the listen call's error (EADDRINUSE, EACCES, …) */
export async function listen(options: ServerOptions, at: ListenAt): Promise<Listening> {
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const upgraded = new Set<Duplex>();
  const server = makeServer(options, limits, upgraded);
  const traffic = new Traffic(server);
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  if ("fd" in at) takeOver(server, at.fd, listening.resolve);
  else server.listen(at, listening.resolve);
  await listening.promise;
  server.off("error", listening.reject);
  server.on("error", (fault) => options.log(faultFields(fault)));
  const bound = server.address();
  return {
    address: addressText(bound),
    port: typeof bound === "object" && bound !== null ? bound.port : undefined,
    traffic,
    close: () => drain(server, upgraded, limits.drainMs),
  };
}

/** @param upgraded where connections that left HTTP are noted */
function makeServer(
  options: ServerOptions,
  limits: Record<keyof typeof HTTP_LIMITS, number>,
  upgraded: Set<Duplex>,
): Server {
  const serverOptions = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.checkMs,
    insecureHTTPParser: false,
    // Node's own answer has no body; ours is in the listener.
    requireHostHeader: false,
    // What asks for another protocol and gets none stays HTTP, as if it had not asked.
    shouldUpgradeCallback: (request: IncomingMessage) => options.upgrades?.wants(request) ?? false,
  };
  const answering = new WeakMap<Duplex, ServerResponse>();
  const listener = requestListener(options, limits, answering);
  const server =
    options.tls === undefined
      ? createServer(serverOptions, listener)
      : createTlsServer(
          { ...serverOptions, ...tlsOptions(options.tls), handshakeTimeout: limits.headersMs },
          listener,
        );
  server.maxConnections = limits.connections;
  // All headers that fit are seen: those past a count would be dropped without a word.
  server.maxHeadersCount = 0;
  server.setTimeout(limits.idleMs);
  server.on("clientError", (error, socket) => refuseBroken(error, socket, answering.get(socket)));
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.once("close", () => upgraded.delete(socket));
    options.upgrades?.take(request, socket, head);
  });
  server.on("connect", (_request, socket) =>
    endWith(socket, 405, new Refusal("method_not_allowed")),
  );
  return server;
}

/** @param answering where the answer under way on each connection is noted */
function requestListener(
  { app, log, unread }: ServerOptions,
  limits: UnreadTimes & { readonly lingerMs: number },
  answering: WeakMap<Duplex, ServerResponse>,
): RequestListener {
  const listener = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    // For HTTP/1.0 without Host; nothing of ours depends on the name.
    hostname: "localhost",
    // It cuts a connection half a second after an answer that came before the end of the request.
    autoCleanupIncoming: false,
    errorHandler: (error) => {
      const isRequest = error instanceof Error && error.name === "RequestError";
      if (isRequest) return refusalResponse(new Refusal("bad_request"));
      // The library's word, a text, that the client has gone: nobody is left to answer, and no fault of ours.
      if (typeof error !== "string") log(faultFields(error));
      return faultResponse();
    },
  });
  return (incoming, outgoing) => {
    const { socket } = incoming;
    if (incoming.headers.host === undefined && incoming.httpVersion !== "1.0") {
      endWith(socket, 400, new Refusal("bad_request", "The header Host is missing."));
      return;
    }
    answering.set(socket, outgoing);
    outgoing.once("close", () => {
      // What is wrong with the rest of a request that was answered has no answer of its own.
      if (answering.get(socket) === outgoing && incoming.complete) answering.delete(socket);
    });
    listener(incoming, outgoing)
      .then(() => {
        unread?.made(incoming, outgoing, limits);
        if (!incoming.complete) readOn(incoming, limits.lingerMs);
      })
      .catch((fault: unknown) => {
        log(faultFields(fault));
        outgoing.destroy();
      });
  };
}

/**
 * Takes what still comes of a request that was answered before its end, and drops it. A connection
 * that is closed while bytes arrive is reset, and a refusal would be lost to whoever still sends.
 */
function readOn(incoming: IncomingMessage, lingerMs: number): void {
  const { socket } = incoming;
  let leftBytes: number = TRANSFER_LIMITS.inputBytes;
  let isOver = false;
  // So Node closes a connection that is not kept alive, behind its last answer: too early here.
  socket.destroySoon = () => {
    isOver = true;
  };
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  // Whoever read the body has given up; Node's own reader for a web stream throws when more comes.
  incoming.removeAllListeners("data");
  incoming.on("data", (chunk: Buffer) => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) socket.destroy();
  });
  incoming.once("close", () => {
    clearTimeout(timer);
    Reflect.deleteProperty(socket, "destroySoon");
    if (isOver) socket.destroySoon();
  });
  incoming.resume();
}

/** What the parser could not read, or what took too long. */
function refuseBroken(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  answer: ServerResponse | undefined,
): void {
  // A second status line in the middle of an answer would become part of its body.
  if (error.code === "ECONNRESET" || answer?.headersSent === true) {
    socket.destroy();
    return;
  }
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      endWith(socket, 431, new Refusal("bad_request", "The headers are too large."));
      return;
    case "ERR_HTTP_REQUEST_TIMEOUT":
      endWith(socket, 408, new Refusal("bad_request", "The request took too long."));
      return;
    default:
      endWith(socket, 400, new Refusal("bad_request", "This is not HTTP as it should be."));
  }
}

async function drain(server: Server, upgraded: Set<Duplex>, drainMs: number): Promise<void> {
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  server.closeIdleConnections();
  // Kept alive, the connection of the last answer would hold a closing server up.
  const look = setInterval(() => server.closeIdleConnections(), DRAIN_LOOK_MS);
  const cut = setTimeout(() => {
    server.closeAllConnections();
    // Node counts them no more, yet waits for them.
    for (const socket of upgraded) socket.destroy();
  }, drainMs);
  await closed.promise;
  clearInterval(look);
  clearTimeout(cut);
}

function addressText(bound: AddressInfo | string | null): string {
  if (bound === null || typeof bound === "string") return bound ?? "";
  return bound.family === "IPv6"
    ? `[${bound.address}]:${bound.port}`
    : `${bound.address}:${bound.port}`;
}
