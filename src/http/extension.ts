/** Routes and WebSockets that other rooms bring, and how these ask the API itself. */
import type { Hono } from "hono";
import type { WebSocket } from "ws";
import type { Caller } from "../core/caller.ts";
import type { AppContext, AppDeps, AppEnv } from "./deps.ts";

/** A route of another room; the composition root adds it. */
export interface Extension {
  readonly path: string;
  /** GET also answers HEAD. */
  readonly method: "GET" | "POST";
  readonly handler: (c: AppContext, deps: AppDeps, within: Within) => Response | Promise<Response>;
}

/** A WebSocket of another room, under the bounds of those that follow jobs. */
export interface SocketExtension {
  readonly path: string;
  /** Resolves when it has closed the connection, or that is closed. */
  readonly serve: (ws: WebSocket, deps: AppDeps, within: Within) => Promise<void>;
}

/** The API, asked from inside as the caller of the request under way: same key, same limits. */
export interface Within {
  readonly caller: Caller;
  /** Stands for this service in addresses. */
  readonly address: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/**
 * @param caller as it was when the request came: a connection that is closed meanwhile has no
 *   address any more, and its questions would count for nobody
 */
export function within(caller: Caller, app: Hono<AppEnv>): Within {
  return {
    caller,
    address: "http://localhost/",
    fetch: async (url, init) => {
      const request = new Request(url, init);
      // A body of known length is no upload that somebody may stretch.
      if (typeof init.body === "string") {
        request.headers.set("content-length", String(Buffer.byteLength(init.body)));
      }
      return app.fetch(request, { caller });
    },
  };
}
