/**
 * One press of Run: the job is sent, followed to its end, its files are fetched, and the server is
 * told to forget it. What happens is told to a view; nothing here touches the page.
 */
import type { JobStatus, OutputList, Stats } from "../../src/client/answers.ts";
import type { AttachedJob } from "../../src/client/attach.ts";
import type { SandrunClient } from "../../src/client/client.ts";
import { ApiError } from "../../src/client/errors.ts";
import type { Ended, LiveEvent } from "../../src/client/frames.ts";
import type { NewJob } from "../../src/client/jobs.ts";
import { SERVICE_LIMITS } from "../../src/core/limits.ts";
import { follow } from "./follow.ts";
import { fetchAll, fitsHere, type Held } from "./held.ts";

const STATS_MS = 2000;

export interface Outputs {
  readonly list: OutputList["details"];
  /** Undefined = too large to be fetched unasked: they are on the server until `expiresAtMs`. */
  readonly held: Held | undefined;
  readonly jobId: string;
  readonly expiresAtMs: number;
}

export interface SessionView {
  waiting(position: number): void;
  /** Told now and then while it waits. */
  quota(stats: Stats): void;
  running(): void;
  printed(stream: "stdout" | "stderr", text: string, bytes: Uint8Array): void;
  /** More is printed than the server keeps. */
  cut(): void;
  /** The way to send input; undefined when there is none any more. */
  input(input: AttachedJob | undefined): void;
  ended(ended: Ended, metrics: JobStatus["metrics"], files: number): void;
  outputs(outputs: Outputs): void;
}

export class Session {
  readonly #client: SandrunClient;
  readonly #view: SessionView;
  readonly #abort = new AbortController();
  #jobId: string | undefined;
  #gone = false;
  #asking: number | undefined;

  constructor(client: SandrunClient, view: SessionView) {
    this.#client = client;
    this.#view = view;
  }

  get wasStopped(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Resolves when all of it is here. @throws whatever the server or the network refuses */
  async run(job: NewJob): Promise<void> {
    const { signal } = this.#abort;
    const { job_id: jobId } = await this.#client.submit(job, { signal });
    this.#jobId = jobId;
    // Stopped while it was on its way: the server has it now and should not.
    if (signal.aborted) return this.forget();
    try {
      const input = (way: AttachedJob | undefined) => this.#view.input(way);
      for await (const event of follow(this.#client, jobId, signal, input)) {
        this.#tell(event);
        if (event.kind === "ended") await this.#finish(jobId, event);
      }
    } finally {
      window.clearInterval(this.#asking);
    }
  }

  /** Ends the job and destroys it on the server. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.forget();
  }

  /**
   * The server destroys all of it. A job that is gone already is what was wanted; a server that
   * cannot be reached forgets it by itself, a minute after its end.
   */
  async forget(): Promise<void> {
    if (this.#jobId === undefined || this.#gone) return;
    this.#gone = true;
    await this.#client.cancel(this.#jobId).catch(() => undefined);
  }

  #tell(event: LiveEvent): void {
    switch (event.kind) {
      case "queued":
        this.#view.waiting(event.position);
        this.#askForQuota();
        break;
      case "running":
        window.clearInterval(this.#asking);
        this.#view.running();
        break;
      case "printed":
        this.#view.printed(event.stream, event.text, event.bytes);
        break;
      case "log_full":
        this.#view.cut();
        break;
      case "ended":
        window.clearInterval(this.#asking);
    }
  }

  #askForQuota(): void {
    if (this.#asking !== undefined) return;
    const { signal } = this.#abort;
    const ask = () => {
      const told = (stats: Stats) => signal.aborted || this.#view.quota(stats);
      // It is a hint beside the queue's own news: without it the page only says less.
      this.#client.stats({ signal }).then(told, () => undefined);
    };
    ask();
    this.#asking = window.setInterval(ask, STATS_MS);
  }

  async #finish(jobId: string, ended: Ended): Promise<void> {
    const { signal } = this.#abort;
    const status = await this.#statusOf(jobId);
    const files = status?.output_files ?? 0;
    this.#view.ended(ended, status?.metrics, files);
    if (files === 0) return this.forget();
    const list = await this.#client.outputs(jobId, { signal });
    const held = fitsHere(list)
      ? await fetchAll(this.#client, jobId, list.details, signal)
      : undefined;
    // The archive was sent whole, so the job is gone on the server.
    this.#gone ||= held !== undefined;
    const expiresAtMs = expiryOf(status, Date.now());
    this.#view.outputs({ list: list.details, held, jobId, expiresAtMs });
  }

  /** Undefined when the server has forgotten it already: the end was told, only its numbers are lost. */
  async #statusOf(jobId: string): Promise<JobStatus | undefined> {
    try {
      return await this.#client.status(jobId, { signal: this.#abort.signal });
    } catch (error) {
      if (error instanceof ApiError && error.code === "not_found") return undefined;
      throw error;
    }
  }
}

/** By the server's word; where its clock is far from ours, by how long a job is usually kept. */
function expiryOf(status: JobStatus | undefined, nowMs: number): number {
  const toldMs = new Date(status?.expires_at ?? Number.NaN).getTime();
  const leftMs = toldMs - nowMs;
  return leftMs > 0 && leftMs <= 2 * SERVICE_LIMITS.finishedMs
    ? toldMs
    : nowMs + SERVICE_LIMITS.finishedMs;
}
