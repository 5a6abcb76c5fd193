/**
 * Piston's WebSocket: the client says what to run, then input and signals go in and output comes
 * out as it happens, until the exit and the close code 4999.
 *
 * A conversation is one job of its caller, submitted as any other and followed as any other (see
 * http/follow.ts): a client that reads slowly holds its place in the log and nothing more, one
 * that writes faster than the program reads is read no further. When the connection closes, for
 * whatever reason, the job is destroyed.
 *
 * Keeps S14 of SECURITY.md.
 */
import type { WebSocket } from "ws";
import { SandrunClient } from "../client/client.ts";
import { ApiError } from "../client/errors.ts";
import { REFUSALS, Refusal } from "../core/errors.ts";
import type { Outcome } from "../core/job.ts";
import { PISTON_LIMITS } from "../core/limits.ts";
import { JOB_SIGNALS } from "../core/signals.ts";
import { Commands } from "../http/commands.ts";
import type { AppDeps } from "../http/deps.ts";
import type { Within } from "../http/extension.ts";
import { Bell, follow } from "../http/follow.ts";
import { faultFields } from "../http/log.ts";
import type { StreamFrame } from "../http/schemas.ts";
import { askForLife, flushed, send } from "../http/socket.ts";
import { stageEndOf } from "./answer.ts";
import { Mistake, type Wanted, wantedOf } from "./request.ts";
import { type Runtime, runtimesOf } from "./runtimes.ts";

/** As Piston's clients know them. */
const CLOSE = {
  alreadyInitialized: [4000, "Already Initialized"],
  initTimeout: [4001, "Initialization Timeout"],
  notified: [4002, "Notified Error"],
  notInitialized: [4003, "Not yet initialized"],
  onlyStdin: [4004, "Can only write to stdin"],
  badSignal: [4005, "Invalid signal"],
  done: [4999, "Job Completed"],
} as const;

type Close = (typeof CLOSE)[keyof typeof CLOSE];
type Message = ReadonlyMap<string, unknown>;

export async function converse(ws: WebSocket, deps: AppDeps, within: Within): Promise<void> {
  await new Conversation(ws, deps, within).run();
}

class Conversation {
  readonly #ws: WebSocket;
  readonly #deps: AppDeps;
  readonly #within: Within;
  readonly #bell = new Bell();
  readonly #gone = new AbortController();
  readonly #wanted = Promise.withResolvers<Wanted | undefined>();
  readonly #commands: Commands;
  readonly #early: string[] = [];
  #isInitialized = false;
  #jobId = "";
  /** Why we end it. */
  #ending: Close | undefined;

  constructor(ws: WebSocket, deps: AppDeps, within: Within) {
    this.#ws = ws;
    this.#deps = deps;
    this.#within = within;
    this.#commands = new Commands({
      input: () => deps.engine.input(this.#jobId),
      ring: this.#bell.ring,
      pause: (isPaused) => (isPaused ? ws.pause() : ws.resume()),
    });
  }

  async run(): Promise<void> {
    const ws = this.#ws;
    // What was wrong is told to the client by ws itself, with the close code.
    ws.on("error", () => undefined);
    const stopAsking = askForLife(ws);
    ws.once("close", () => {
      stopAsking();
      this.#gone.abort();
      this.#wanted.resolve(undefined);
    });
    ws.on("message", (data: Buffer, isBinary) => this.#take(data, isBinary));
    const late = setTimeout(() => this.#end(CLOSE.initTimeout), PISTON_LIMITS.initMs).unref();
    try {
      const wanted = await this.#wanted.promise;
      clearTimeout(late);
      if (wanted !== undefined) await this.#serve(wanted);
    } catch (error) {
      await this.#tellError(error);
    }
    await flushed(ws);
    ws.resume();
    const [code, reason] = this.#ending ?? CLOSE.notified;
    ws.close(code, reason);
  }

  /** What is written after this is not read any more. */
  #end(close: Close): void {
    this.#ending ??= close;
    this.#wanted.resolve(undefined);
    this.#gone.abort();
    this.#bell.ring();
  }

  #take(data: Buffer, isBinary: boolean): void {
    if (this.#ending !== undefined) return;
    try {
      this.#follow(messageOf(isBinary ? undefined : data.toString("utf8")));
    } catch (error) {
      this.#wanted.reject(error);
      this.#wanted.promise.catch(() => undefined);
      if (this.#isInitialized) void this.#tellError(error).then(() => this.#end(CLOSE.notified));
    }
  }

  #follow(message: Message): void {
    switch (message.get("type")) {
      case "init":
        if (this.#isInitialized) this.#end(CLOSE.alreadyInitialized);
        else this.#initialize(message);
        return;
      case "data":
        if (!this.#isInitialized) this.#end(CLOSE.notInitialized);
        else if (message.get("stream") !== "stdin") this.#end(CLOSE.onlyStdin);
        else this.#command({ stdin: message.get("data") });
        return;
      case "signal":
        if (!this.#isInitialized) this.#end(CLOSE.notInitialized);
        else if (!JOB_SIGNALS.some((name) => name === message.get("signal")))
          this.#end(CLOSE.badSignal);
        else this.#command({ signal: message.get("signal") });
    }
  }

  #command(command: object): void {
    const text = JSON.stringify(command);
    if (this.#jobId === "") this.#early.push(text);
    else this.#commands.take(text);
  }

  #initialize(message: Message): void {
    const { engine, runner, ceilings } = this.#deps;
    engine.refuseEarly(this.#within.caller);
    const wanted = wantedOf(Object.fromEntries(message), runtimesOf(runner.interpreters), ceilings);
    this.#isInitialized = true;
    // Until there is a job that it can be given to, what was read already waits and no more is read.
    this.#ws.pause();
    this.#wanted.resolve(wanted);
  }

  async #serve({ runtime, job: asked }: Wanted): Promise<void> {
    const { address, fetch } = this.#within;
    const client = new SandrunClient({ server: address, fetch });
    const { job_id } = await client.submit({ ...asked, stdin: "", interactive: true });
    this.#jobId = job_id;
    try {
      this.#ws.resume();
      for (const text of this.#early.splice(0)) this.#commands.take(text);
      await this.#tell(job_id, runtime);
    } finally {
      await this.#deps.engine.destroy(job_id);
    }
  }

  async #tell(jobId: string, runtime: Runtime): Promise<void> {
    const job = this.#deps.engine.find(jobId);
    if (job === undefined) throw new Refusal("not_found");
    const frames = follow({
      job,
      place: 0,
      signal: this.#gone.signal,
      bell: this.#bell,
      position: () => this.#deps.engine.position(jobId),
      notice: () => this.#commands.notice(),
      restMs: () => this.#deps.places.restMs,
    });
    let isBegun = false;
    for await (const frame of frames) {
      const messages = frame === undefined ? [] : messagesOf(frame, job.end?.outcome);
      if (!isBegun && isOfRun(frame)) {
        isBegun = true;
        const { language, version } = runtime;
        messages.unshift({ type: "runtime", language, version }, { type: "stage", stage: "run" });
      }
      for (const message of messages) await send(this.#ws, JSON.stringify(message));
      if (frame !== undefined && "end" in frame) this.#ending ??= CLOSE.done;
      if (this.#commands.isBroken) return;
    }
  }

  async #tellError(error: unknown): Promise<void> {
    this.#ending ??= CLOSE.notified;
    await send(this.#ws, JSON.stringify({ type: "error", message: this.#sentenceOf(error) }));
  }

  #sentenceOf(error: unknown): string {
    if (error instanceof Mistake) return error.message;
    const told = error instanceof Refusal || error instanceof ApiError ? error : undefined;
    if (told === undefined) {
      this.#deps.log(faultFields(error));
      return "The service failed; this is not your fault.";
    }
    const sentence = told instanceof Refusal ? REFUSALS[told.code].sentence : told.message;
    return told.details === undefined ? sentence : `${sentence} ${told.details}`;
  }
}

/** Said of a program that runs, or did. */
function isOfRun(frame: StreamFrame | undefined): boolean {
  if (frame === undefined) return false;
  return "stream" in frame || "end" in frame || ("status" in frame && frame.status === "running");
}

function messagesOf(frame: StreamFrame, outcome: Outcome | undefined): object[] {
  if ("stream" in frame) {
    const { stream, data, encoding } = frame;
    const text = encoding === undefined ? data : Buffer.from(data, encoding).toString("utf8");
    return [{ type: "data", stream, data: text }];
  }
  if ("end" in frame && outcome !== undefined)
    return [{ type: "exit", stage: "run", ...stageEndOf(outcome) }];
  if ("error" in frame) {
    const { error, details } = frame;
    return [{ type: "error", message: details === undefined ? error : `${error} ${details}` }];
  }
  return [];
}

/** @param text undefined for a binary message @throws Mistake */
function messageOf(text: string | undefined): Message {
  if (text === undefined) throw new Mistake("messages are text, of JSON");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new Mistake("the message is not JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new Mistake("the message is not an object");
  return new Map<string, unknown>(Object.entries(json));
}
