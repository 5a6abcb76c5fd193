/**
 * One WebSocket that follows a job. Frames are made one at a time, when the socket has taken those
 * before; commands go to the job as they come. A client that answers no ping is gone, also one that
 * sends half a message, byte by byte, for ever; one that we stopped reading is not asked.
 *
 * Keeps S14 of SECURITY.md.
 */
import type { WebSocket } from "ws";
import { STREAM_LIMITS } from "../core/limits.ts";
import type { Job } from "../engine.ts";
import { Commands } from "./commands.ts";
import type { AppDeps } from "./deps.ts";
import { Bell, follow } from "./follow.ts";
import type { StreamFrame } from "./schemas.ts";

/** Codes of RFC 6455: done · the client broke the rules · what it followed is gone. */
const CLOSE = { done: 1000, rules: 1008, gone: 1001 } as const;

/**
 * Resolves when the connection is to be closed by us, or is.
 * @param place undefined when the client has the end already
 */
export async function serveSocket(
  ws: WebSocket,
  job: Job,
  place: number | undefined,
  deps: AppDeps,
): Promise<void> {
  const gone = new AbortController();
  const bell = new Bell();
  const commands = new Commands({
    input: () => deps.engine.input(job.id),
    ring: bell.ring,
    pause: (isPaused) => (isPaused ? ws.pause() : ws.resume()),
  });
  ws.on("message", (data: Buffer, isBinary) => {
    commands.take(isBinary ? undefined : data.toString("utf8"));
  });
  // What was wrong is told to the client by ws itself, with the close code.
  ws.on("error", () => undefined);
  const stopAsking = askForLife(ws);
  ws.once("close", () => {
    stopAsking();
    gone.abort();
  });
  if (place === undefined) {
    ws.close(CLOSE.done);
    return;
  }
  const frames = follow({
    job,
    place,
    signal: gone.signal,
    bell,
    position: () => deps.engine.position(job.id),
    notice: () => commands.notice(),
    restMs: () => deps.places.restMs,
  });
  let last: StreamFrame | undefined;
  for await (const frame of frames) {
    if (frame === undefined) continue;
    last = frame;
    await send(ws, JSON.stringify(frame));
    if (commands.isBroken) break;
  }
  await flushed(ws);
  ws.resume();
  if (last !== undefined && "end" in last) ws.close(CLOSE.done);
  else ws.close(commands.isBroken ? CLOSE.rules : CLOSE.gone);
}

/** Resolves when there is room for more, or nobody to send to. */
export async function send(ws: WebSocket, text: string): Promise<void> {
  if (ws.bufferedAmount < STREAM_LIMITS.unsentBytes) ws.send(text, () => undefined);
  else await new Promise<void>((resolve) => ws.send(text, () => resolve()));
}

/** Everything went to the operating system: closing may take no frame of it away. */
export async function flushed(ws: WebSocket): Promise<void> {
  if (ws.readyState !== ws.OPEN || ws.bufferedAmount === 0) return;
  await new Promise<void>((resolve) => ws.ping("", false, () => resolve()));
}

/** @returns stops it */
export function askForLife(ws: WebSocket): () => void {
  let isAlive = true;
  const note = (): void => {
    isAlive = true;
  };
  ws.on("pong", note);
  ws.on("message", note);
  const timer = setInterval(() => {
    if (!isAlive && !ws.isPaused) {
      ws.terminate();
      return;
    }
    isAlive = false;
    ws.ping();
  }, STREAM_LIMITS.heartbeatMs).unref();
  return () => clearInterval(timer);
}
