/**
 * A job's live stream as Server-Sent Events: every frame is one event, `id` its number, so a
 * browser that lost the connection comes back by itself with `Last-Event-ID` and goes on there.
 * When it has the end, it is told with 204 to come back no more.
 */

import { STREAM_LIMITS } from "../core/limits.ts";
import type { Job } from "../engine.ts";
import { type AppContext, type AppDeps, callerOf } from "./deps.ts";
import { Bell, follow, placeOf } from "./follow.ts";
import type { StreamFrame } from "./schemas.ts";
import { whenSent } from "./sent.ts";

const EVENT_STREAM = "text/event-stream; charset=utf-8";

export function wantsEvents(accept: string): boolean {
  return /text\/event-stream/i.test(accept);
}

/** @throws Refusal bad_request, too_many_streams */
export function events(c: AppContext, deps: AppDeps, job: Job): Response {
  const place = placeOf(job, c.req.header("last-event-id") ?? c.req.query("from"));
  if (place === undefined) return c.body(null, 204);
  // Proxies that gather an answer before they pass it on would make it anything but live.
  const headers = { "Content-Type": EVENT_STREAM, "X-Accel-Buffering": "no" };
  // Nobody would read it, so nobody would end it.
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  const leave = deps.places.take(callerOf(c, deps.callers).key);
  const gone = new AbortController();
  if (c.env?.outgoing !== undefined) {
    whenSent(c, () => {
      gone.abort();
      leave();
    });
  }
  const frames = follow({
    job,
    place,
    signal: gone.signal,
    bell: new Bell(),
    position: () => deps.engine.position(job.id),
    notice: () => undefined,
    restMs: () => deps.places.restMs,
  });
  return c.body(pulled(frames, gone, leave), 200, headers);
}

/** Makes a frame only when the one before has been taken. */
function pulled(
  frames: AsyncGenerator<StreamFrame | undefined>,
  gone: AbortController,
  leave: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let isFirst = true;
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        if (isFirst) {
          isFirst = false;
          controller.enqueue(encoder.encode(`retry: ${STREAM_LIMITS.retryMs}\n\n`));
          return;
        }
        const { done, value } = await frames.next();
        if (done !== true) {
          controller.enqueue(encoder.encode(eventText(value)));
          return;
        }
        leave();
        controller.close();
      },
      cancel: () => {
        gone.abort();
        leave();
      },
    },
    { highWaterMark: 0 },
  );
}

function eventText(frame: StreamFrame | undefined): string {
  if (frame === undefined) return ":\n\n";
  const id = "seq" in frame ? `id: ${frame.seq}\n` : "";
  return `${id}data: ${JSON.stringify(frame)}\n\n`;
}
