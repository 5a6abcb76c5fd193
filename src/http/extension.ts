/** Routes that other rooms bring, and how these ask the API itself. */
import type { Hono } from "hono";
import { type AppContext, type AppDeps, type AppEnv, callerOf } from "./deps.ts";

/** A route of another room; the composition root adds it. */
export interface Extension {
  readonly path: string;
  /** GET also answers HEAD. */
  readonly method: "GET" | "POST";
  readonly handler: (c: AppContext, deps: AppDeps, within: Within) => Response | Promise<Response>;
}

/** The API, asked from inside as the caller of the request under way: same key, same limits. */
export interface Within {
  /** Stands for this service in addresses. */
  readonly address: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

export function within(c: AppContext, deps: AppDeps, app: Hono<AppEnv>): Within {
  // Now: a connection that is closed meanwhile has no address any more, and its questions would
  // count for nobody.
  const caller = callerOf(c, deps.callers);
  return {
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
