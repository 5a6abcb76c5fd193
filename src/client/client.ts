/**
 * The API over `fetch`, for Node and browsers. Nothing here trusts the server: answers are read
 * up to a ceiling and their shape is checked, redirects (which would carry code elsewhere) fail.
 */
import { CLIENT_LIMITS } from "../core/limits.ts";
import type {
  Environments,
  Health,
  JobStatus,
  Logs,
  OutputList,
  RunResult,
  Stats,
  Submitted,
} from "./answers.ts";
import {
  readEnvironments,
  readHealth,
  readLogs,
  readOutputs,
  readRefusal,
  readRunResult,
  readStats,
  readStatus,
  readSubmitted,
} from "./answers.ts";
import { AttachedJob, type OpenSocket, type Socket } from "./attach.ts";
import type { Reader } from "./decode.ts";
import { DecodeError } from "./decode.ts";
import { ApiError, badAnswer } from "./errors.ts";
import { follow } from "./follow.ts";
import type { LiveEvent } from "./frames.ts";
import type { NewJob } from "./jobs.ts";
import { isFilesJob } from "./jobs.ts";
import { boundedText, multipart, TooLong } from "./transfer.ts";

/** The part of `fetch` that is used; give another to pin a certificate or to test. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface ClientOptions {
  /** For example `https://sandrun.example.com:8443`; a path below it is kept. */
  readonly server: string;
  readonly fetch?: Fetch;
  /** For `attach`; left out, the WebSocket that the platform has. */
  readonly webSocket?: OpenSocket;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface FollowOptions extends CallOptions {
  /** The `seq` of the last event that was seen; left out, everything from the beginning. */
  readonly from?: number;
}

/** `/run` answers with the result, or with the job's id when it takes longer than it waits. */
export type RunAnswer =
  | { readonly finished: true; readonly result: RunResult }
  | { readonly finished: false; readonly job: Submitted };

export class SandrunClient {
  readonly #base: URL;
  readonly #fetch: Fetch;
  readonly #webSocket: OpenSocket;

  /** @throws TypeError when `server` is not a URL. */
  constructor(options: ClientOptions) {
    const base = new URL(options.server);
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    base.search = "";
    base.hash = "";
    this.#base = base;
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
    this.#webSocket = options.webSocket ?? ((url): Socket => new WebSocket(url));
  }

  /**
   * Runs a job and waits for its end, at most `waitSeconds` (the server's default when left out).
   * Aborting the call cancels the job.
   * @throws ApiError when the server refuses.
   */
  async run(job: NewJob, options: CallOptions & { waitSeconds?: number } = {}): Promise<RunAnswer> {
    const response = await this.#call("POST", `run${waitQuery(options)}`, options, jobBody(job));
    if (response.status === 202)
      return { finished: false, job: await readAs(readSubmitted, response) };
    return { finished: true, result: await readAs(readRunResult, response) };
  }

  /** Queues a job. @throws ApiError when the server refuses. */
  async submit(job: NewJob, options: CallOptions = {}): Promise<Submitted> {
    return readAs(readSubmitted, await this.#call("POST", "submit", options, jobBody(job)));
  }

  /** How a job stands; with `waitSeconds` once it has ended, or after so long at the latest. */
  async status(
    jobId: string,
    options: CallOptions & { waitSeconds?: number } = {},
  ): Promise<JobStatus> {
    const path = `status/${segment(jobId)}${waitQuery(options)}`;
    return readAs(readStatus, await this.#call("GET", path, options));
  }

  async logs(jobId: string, options: CallOptions = {}): Promise<Logs> {
    return readAs(readLogs, await this.#call("GET", `logs/${segment(jobId)}`, options));
  }

  /**
   * What the job prints, as it prints it, and how it stands: everything so far, then live, and one
   * `ended` at last. A connection that breaks is made again and goes on where it was.
   *
   *     for await (const event of client.follow(jobId)) {
   *       if (event.kind === "printed") show(event.text);
   *       if (event.kind === "ended") return event.outcome;
   *     }
   *
   * Leaving the loop, or aborting the signal, ends the connection and not the job.
   * @throws ApiError when the server refuses; `not_found` when the job was forgotten before all of
   *   it was read; `connection_lost` when the server cannot be reached any more
   */
  follow(jobId: string, options: FollowOptions = {}): AsyncIterable<LiveEvent> {
    const { from = 0, signal } = options;
    const open = (seq: number, cut: AbortSignal): Promise<Response> => {
      const path = `logs/${segment(jobId)}?from=${seq}`;
      return this.#call("GET", path, { signal: cut }, undefined, "text/event-stream");
    };
    return follow(open, from, signal);
  }

  /**
   * As `follow`, over a WebSocket that also takes input (for a job whose manifest says
   * `interactive`) and signals.
   * @throws ApiError `connection_lost`, also when the server refuses: a WebSocket does not say why
   */
  async attach(jobId: string, options: FollowOptions = {}): Promise<AttachedJob> {
    const { from = 0, signal } = options;
    const url = new URL(`logs/${segment(jobId)}/stream?from=${from}`, this.#base);
    url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
    const job = new AttachedJob(this.#webSocket(url.href), from, signal);
    await job.opened();
    return job;
  }

  async outputs(jobId: string, options: CallOptions = {}): Promise<OutputList> {
    return readAs(readOutputs, await this.#call("GET", `outputs/${segment(jobId)}`, options));
  }

  /** All output files as a tar.gz; the server destroys the job once it was sent whole. */
  async download(jobId: string, options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return bodyOf(await this.#call("GET", `download/${segment(jobId)}`, options));
  }

  /** The bytes of one output file; the job stays. The caller counts what it takes. */
  async downloadFile(
    jobId: string,
    path: string,
    options: CallOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const encoded = path.split("/").map(segment).join("/");
    return bodyOf(await this.#call("GET", `download/${segment(jobId)}/${encoded}`, options));
  }

  /** Cancels the job if it waits or runs, and destroys all of it. */
  async cancel(jobId: string, options: CallOptions = {}): Promise<void> {
    const response = await this.#call("DELETE", `jobs/${segment(jobId)}`, options);
    await response.body?.cancel();
  }

  async environments(options: CallOptions = {}): Promise<Environments> {
    return readAs(readEnvironments, await this.#call("GET", "environments", options));
  }

  async stats(options: CallOptions = {}): Promise<Stats> {
    return readAs(readStats, await this.#call("GET", "stats", options));
  }

  /** Answers for a service that is not healthy too; `status` and `reason` say so. */
  async health(options: CallOptions = {}): Promise<Health> {
    const response = await this.#send("GET", "health", options);
    if (response.status !== 200 && response.status !== 503) throw await refusal(response);
    return readAs(readHealth, response);
  }

  async #call(
    method: string,
    path: string,
    options: CallOptions,
    body?: Body,
    accept?: string,
  ): Promise<Response> {
    const response = await this.#send(method, path, options, body, accept);
    if (!response.ok) throw await refusal(response);
    return response;
  }

  #send(
    method: string,
    path: string,
    options: CallOptions,
    body?: Body,
    accept = "application/json",
  ): Promise<Response> {
    return this.#fetch(new URL(path, this.#base).href, {
      method,
      redirect: "error",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      cache: "no-store",
      headers: { accept, ...body?.headers },
      ...(body === undefined ? {} : { body: body.content }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }
}

interface Body {
  readonly content: FormData | string;
  readonly headers: Readonly<Record<string, string>>;
}

function jobBody(job: NewJob): Body {
  if (isFilesJob(job)) return { content: multipart(job), headers: {} };
  return { content: JSON.stringify(job), headers: { "content-type": "application/json" } };
}

function waitQuery({ waitSeconds }: { waitSeconds?: number }): string {
  return waitSeconds === undefined ? "" : `?wait=${waitSeconds}`;
}

/** `.` and `..` would be resolved away by the URL and name another address. */
function segment(name: string): string {
  if (name === "" || name === "." || name === ".." || !name.isWellFormed())
    throw new TypeError("not a job id or a path of an output file");
  return encodeURIComponent(name);
}

function bodyOf(response: Response): ReadableStream<Uint8Array> {
  return response.body ?? new ReadableStream({ start: (controller) => controller.close() });
}

async function readAs<T>(reader: Reader<T>, response: Response): Promise<T> {
  try {
    return reader(JSON.parse(await boundedText(response, CLIENT_LIMITS.jsonBytes)), "");
  } catch (error) {
    if (error instanceof DecodeError || error instanceof TooLong)
      throw badAnswer(error.message, response.status, { cause: error });
    if (error instanceof SyntaxError)
      throw badAnswer("it is not JSON", response.status, { cause: error });
    throw error;
  }
}

async function refusal(response: Response): Promise<ApiError> {
  const told = await readAs(readRefusal, response);
  const retryAfter = told.retry_after ?? retryHeader(response);
  return new ApiError(told.error, {
    code: told.code,
    status: response.status,
    ...(told.details === undefined ? {} : { details: told.details }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

function retryHeader(response: Response): number | undefined {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
