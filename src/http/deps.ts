/** What the handlers are given, and the types that Hono carries through a request. */
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Caller } from "../core/caller.ts";
import type { Runner } from "../core/runner.ts";
import type { Engine } from "../engine.ts";
import type { Callers } from "./caller.ts";
import type { Extension, SocketExtension } from "./extension.ts";
import type { ServiceLog } from "./log.ts";
import type { Places } from "./places.ts";
import type { Sending } from "./sent.ts";
import type { Uploads } from "./uploads.ts";
import type { WebFiles } from "./web.ts";

/** Ceilings of the manifest, at most those of core/limits.ts. */
export interface Ceilings {
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
}

export interface AppDeps {
  readonly engine: Engine;
  readonly runner: Runner;
  readonly callers: Callers;
  readonly uploads: Uploads;
  /** Of those who follow jobs. */
  readonly places: Places;
  readonly ceilings: Ceilings;
  /** Has the runner find out the versions of what it offers, and waits for it; left out = it has. */
  readonly untilOffered?: () => Promise<unknown>;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly log: ServiceLog;
  /** Of this program, as in package.json. */
  readonly version: string;
  /** Routes beside those of the API. */
  readonly extensions?: readonly Extension[];
  /** The web page; undefined = it is not served. */
  readonly web?: WebFiles;
  readonly sockets?: readonly SocketExtension[];
}

export interface AppEnv {
  /** Absent when a test asks the app without a socket; `caller` is for questions from inside. */
  Bindings: Partial<HttpBindings> & { readonly caller?: Caller };
  Variables: {
    /** Which headers the answer has: all that it needs, or those of a page of ours. */
    headers?: "all" | "page";
    sending?: Sending;
  };
}

export type AppContext = Context<AppEnv>;

export function callerOf(c: AppContext, callers: Callers): Caller {
  return (
    c.env?.caller ??
    callers.identify(c.env?.incoming?.socket.remoteAddress, c.req.header("x-forwarded-for"))
  );
}
