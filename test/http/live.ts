/** Readers of live streams, for tests: what came, as it came. */
import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";
import type { Rig } from "../fakes/service.ts";

/** Any frame of a stream; a test knows which it expects. */
export interface Frame {
  readonly seq?: number;
  readonly stream?: "stdout" | "stderr";
  readonly data?: string;
  readonly encoding?: "base64";
  readonly end?: unknown;
  readonly stdout_truncated?: boolean;
  readonly stderr_truncated?: boolean;
  readonly status?: string;
  readonly queue_position?: number;
  readonly log_full?: true;
  readonly stdin_taken?: number;
  readonly error?: string;
  readonly code?: string;
}

export interface Event {
  readonly id: string | undefined;
  readonly frame: Frame;
}

/** Cuts an event stream into its events; comments and `retry` are left out. */
export async function* eventsOf(response: Response): AsyncGenerator<Event> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? assert.fail("no body")) {
    text += decoder.decode(bytes, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field("data");
      if (data !== undefined) yield { id: field("id"), frame: JSON.parse(data) };
    }
  }
}

export async function openEvents(rig: Rig, id: string, query = "", headers = {}) {
  const response = await rig.app.request(`/logs/${id}${query}`, {
    headers: { Accept: "text/event-stream", ...headers },
  });
  assert.equal(response.status, 200, await (response.ok ? "" : response.text()));
  return eventsOf(response);
}

/** All frames to the end of the stream. */
export async function allFrames(events: AsyncIterable<Event>): Promise<Frame[]> {
  return (await Array.fromAsync(events)).map(({ frame }) => frame);
}

export function bytesOf(frames: readonly Frame[], only?: string): Buffer {
  return Buffer.concat(
    frames
      .filter(({ data, stream }) => data !== undefined && (only ?? stream) === stream)
      .map(({ data = "", encoding }) => Buffer.from(data, encoding ?? "utf8")),
  );
}

/** A WebSocket client whose frames are asked for one by one. */
export class Talker {
  readonly ws: WebSocket;
  readonly #frames: Frame[] = [];
  #wake: (() => void) | undefined;
  /** The close code, once it is closed. */
  closed: number | undefined;

  constructor(url: string, options: WebSocket.ClientOptions = {}) {
    this.ws = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.ws.on("message", (data) => {
      this.#frames.push(JSON.parse(String(data)));
      this.#wake?.();
    });
    this.ws.on("error", () => undefined);
    this.ws.once("close", (code) => {
      this.closed = code;
      this.#wake?.();
    });
  }

  async open(): Promise<this> {
    if (this.ws.readyState !== WebSocket.OPEN) await once(this.ws, "open");
    return this;
  }

  /** The next frame; undefined when the connection is closed. */
  async next(): Promise<Frame | undefined> {
    while (this.#frames.length === 0 && this.closed === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift();
  }

  /** Skips what comes before. */
  async until(wanted: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const frame = await this.next();
      assert.ok(frame, `closed with ${this.closed}`);
      if (wanted(frame)) return frame;
    }
  }

  async rest(): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (let frame = await this.next(); frame !== undefined; frame = await this.next()) {
      frames.push(frame);
    }
    return frames;
  }

  send(message: unknown): void {
    this.ws.send(typeof message === "string" ? message : JSON.stringify(message));
  }
}

/** Submits code and gives the job's id. */
export async function submitJob(rig: Rig, fields: object = {}): Promise<string> {
  const response = await rig.app.request("/submit", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code: "1", ...fields }),
  });
  const { job_id } = (await response.json()) as { job_id: string };
  return job_id;
}
