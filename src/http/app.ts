/** The API as one function from Request to Response; needs no socket. */
import { Hono } from "hono";
import { routePath } from "hono/route";
import { Refusal } from "../core/errors.ts";
import { type AppContext, type AppDeps, type AppEnv, callerOf } from "./deps.ts";
import { downloadAll, downloadOne } from "./download.ts";
import { faultResponse, refusalResponse } from "./errors.ts";
import { within } from "./extension.ts";
import { CORS_HEADERS, PREFLIGHT_HEADERS, SAFE_HEADERS } from "./headers.ts";
import { environments, health, service, stats } from "./info.ts";
import { destroy, logs, outputs, status, stream } from "./jobs.ts";
import { faultFields } from "./log.ts";
import { openApi } from "./openapi.ts";
import { run, submit } from "./run.ts";
import { wantsPage, webFile } from "./web.ts";

type Handler = (c: AppContext, deps: AppDeps) => Response | Promise<Response>;

interface Route {
  readonly path: string;
  /** GET also answers HEAD. */
  readonly method: "GET" | "POST" | "DELETE";
  readonly handler: Handler;
}

const ROUTES: readonly Route[] = [
  { path: "/run", method: "POST", handler: run },
  { path: "/submit", method: "POST", handler: submit },
  { path: "/status/:id", method: "GET", handler: status },
  { path: "/logs/:id", method: "GET", handler: logs },
  { path: "/logs/:id/stream", method: "GET", handler: stream },
  { path: "/outputs/:id", method: "GET", handler: outputs },
  { path: "/download/:id", method: "GET", handler: downloadAll },
  { path: "/download/:id/:path{[^]+}", method: "GET", handler: downloadOne },
  { path: "/jobs/:id", method: "DELETE", handler: destroy },
  { path: "/receipt/:id", method: "GET", handler: unsupported("Receipts.") },
  { path: "/environments", method: "GET", handler: environments },
  { path: "/stats", method: "GET", handler: stats },
  { path: "/health", method: "GET", handler: health },
  { path: "/openapi.json", method: "GET", handler: (c, deps) => c.json(openApi(deps.version)) },
  { path: "/", method: "GET", handler: front },
];

/** Methods that are written to the log by name; others are a stranger's text. */
const LOGGED_METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "DELETE",
  "OPTIONS",
  "PUT",
  "PATCH",
]);

export function createApp(deps: AppDeps): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    const begunAtMs = deps.nowMs();
    await next();
    addHeaders(c);
    logRequest(c, deps, begunAtMs);
  });
  app.options("*", (c) => c.body(null, 204, PREFLIGHT_HEADERS));
  for (const { path, method, handler } of ROUTES) {
    add(app, path, method, (c) => handler(c, deps));
  }
  for (const { path, method, handler } of deps.extensions ?? []) {
    add(app, path, method, (c) => handler(c, deps, within(callerOf(c, deps.callers), app)));
  }
  // After the API: no file can stand in the place of one of its addresses.
  for (const path of deps.web?.keys() ?? []) app.get(path, (c) => fileOf(c, deps, path));
  app.notFound(() => refusalResponse(new Refusal("no_route")));
  app.onError((error) => {
    if (error instanceof Refusal) return refusalResponse(error);
    deps.log(faultFields(error));
    return faultResponse();
  });
  return app;
}

/** For answers that do not have them yet: refusals, streams, and whatever other rooms made. */
function addHeaders(c: AppContext): void {
  const has = c.get("headers");
  if (has === "all") return;
  const safe = has === "page" ? {} : SAFE_HEADERS;
  for (const [name, value] of Object.entries({ ...safe, ...CORS_HEADERS })) {
    c.res.headers.set(name, value);
  }
}

function add(
  app: Hono<AppEnv>,
  path: string,
  method: Route["method"],
  answer: (c: AppContext) => Response | Promise<Response>,
): void {
  app.on(method, path, answer);
  const allow = method === "GET" ? "GET, HEAD, OPTIONS" : `${method}, OPTIONS`;
  app.all(path, () => refusalResponse(new Refusal("method_not_allowed"), allow));
}

function front(c: AppContext, deps: AppDeps): Response {
  return deps.web === undefined || !wantsPage(c)
    ? service(c, deps)
    : fileOf(c, deps, "/index.html");
}

function fileOf(c: AppContext, deps: AppDeps, path: string): Response {
  const found = deps.web === undefined ? undefined : webFile(c, deps.web, path);
  if (found === undefined) throw new Refusal("no_route");
  return found;
}

function unsupported(what: string): Handler {
  return () => {
    throw new Refusal("unsupported", what);
  };
}

/** The pattern of the route, never the path: a path holds a job's id. */
function logRequest(c: AppContext, deps: AppDeps, begunAtMs: number): void {
  deps.log({
    event: "request",
    method: LOGGED_METHODS.has(c.req.method) ? c.req.method : "other",
    route: routePath(c, -1),
    status: c.res.status,
    duration_ms: deps.nowMs() - begunAtMs,
  });
}
