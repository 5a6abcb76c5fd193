/**
 * What one WebSocket client sends to a job: input, its end, signals.
 *
 * All of it is hostile, and answers to it wait in our memory until the client reads them. So input
 * that the program does not take stops the reading of this client; a message that is none of ours
 * ends the connection, and so do commands that cannot be followed, when many of them wait to be
 * answered.
 */
import * as v from "valibot";
import { Refusal } from "../core/errors.ts";
import { STREAM_LIMITS } from "../core/limits.ts";
import type { LiveInput } from "../engine.ts";
import { errorFrame } from "./frames.ts";
import { isBase64 } from "./jsonJob.ts";
import { type StreamFrame, streamCommandSchema } from "./schemas.ts";

/** Refusals that may wait for the client to read them. */
const REFUSALS_MOST = 16;

export interface Client {
  /** Of the job; undefined when it has ended. */
  readonly input: () => LiveInput | undefined;
  /** There is something to tell. */
  readonly ring: () => void;
  /** Stops or goes on reading from the client. */
  readonly pause: (isPaused: boolean) => void;
}

export class Commands {
  readonly #client: Client;
  readonly #refusals: StreamFrame[] = [];
  #pendingBytes = 0;
  #takenBytes = 0;
  #hasNews = false;
  #isBroken = false;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The client sent what it may not: when the last notice is out, it is to be cut off. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** @param text undefined for a binary message */
  take(text: string | undefined): void {
    if (this.#isBroken) return;
    try {
      this.#follow(commandOf(text));
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      this.#refusals.push(errorFrame(refusal));
      this.#isBroken = refusal.code === "bad_request" || this.#refusals.length >= REFUSALS_MOST;
      if (this.#isBroken) this.#client.pause(true);
      this.#client.ring();
    }
  }

  /** The next thing that the client is to be told, if there is one. */
  notice(): StreamFrame | undefined {
    const refusal = this.#refusals.shift();
    if (refusal !== undefined || !this.#hasNews) return refusal;
    this.#hasNews = false;
    return { stdin_taken: this.#takenBytes };
  }

  #follow(command: v.InferOutput<typeof streamCommandSchema>): void {
    const input = this.#client.input();
    if ("stdin" in command) this.#write(input, command);
    else if ("resize" in command) {
      if (input === undefined) throw new Refusal("not_running");
      input.resize(...command.resize);
    } else if ("signal" in command) {
      if (input === undefined) throw new Refusal("not_running");
      input.signal(command.signal);
    } else {
      if (input === undefined) throw new Refusal("stdin_closed");
      input.end();
    }
  }

  #write(input: LiveInput | undefined, { stdin, encoding }: StdinCommand): void {
    if (input === undefined) throw new Refusal("stdin_closed");
    const bytes = Buffer.from(stdin, encoding ?? "utf8");
    const { length } = bytes;
    const taken = input.write(bytes);
    this.#pendingBytes += length;
    if (this.#pendingBytes >= STREAM_LIMITS.stdinPauseBytes) this.#client.pause(true);
    void taken.then(() => {
      this.#pendingBytes -= length;
      this.#takenBytes += length;
      this.#hasNews = true;
      if (this.#pendingBytes < STREAM_LIMITS.stdinPauseBytes && !this.#isBroken) {
        this.#client.pause(false);
      }
      this.#client.ring();
    });
  }
}

type StdinCommand = { stdin: string; encoding?: "base64" | undefined };

/** @throws Refusal bad_request */
function commandOf(text: string | undefined): v.InferOutput<typeof streamCommandSchema> {
  if (text === undefined) throw new Refusal("bad_request", "Messages are text, of JSON.");
  const parsed = v.safeParse(streamCommandSchema, jsonOf(text));
  if (!parsed.success) {
    throw new Refusal("bad_request", "This is none of the messages that a job can be sent.");
  }
  const { output } = parsed;
  if ("stdin" in output) checkText(output);
  return output;
}

/** Buffer.from would leave out or replace what it cannot read, and so change the input silently. */
function checkText({ stdin, encoding }: StdinCommand): void {
  const isFine = encoding === "base64" ? isBase64(stdin) : stdin.isWellFormed();
  if (!isFine) throw new Refusal("bad_request", `stdin: is not ${encoding ?? "valid Unicode"}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and logs or pages might show it.
    throw new Refusal("bad_request", "The message is not JSON.");
  }
}
