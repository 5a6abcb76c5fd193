/**
 * One press of Run: the job is sent, followed to its end, its files are fetched, and the server is
 * told to forget it. What happens is told to a view; nothing here touches the page.
 */
import type { JobStatus, OutputList, Stats } from "../../src/client/answers.ts";
import type { SandrunClient } from "../../src/client/client.ts";
import type { NewJob } from "../../src/client/jobs.ts";
import { follow } from "./follow.ts";
import { fetchAll, fitsHere, type Held } from "./held.ts";

export interface Outputs {
  readonly list: OutputList["details"];
  /** Undefined = too large to be fetched unasked: they are on the server until `expiresAtMs`. */
  readonly held: Held | undefined;
  readonly jobId: string;
  readonly expiresAtMs: number;
}

export interface SessionView {
  waiting(position: number | undefined, stats: Stats | undefined): void;
  running(): void;
  printed(stream: "stdout" | "stderr", text: string): void;
  ended(status: JobStatus): void;
  outputs(outputs: Outputs): void;
  /** Printed output was more than the server keeps. */
  cut(): void;
}

export class Session {
  readonly #client: SandrunClient;
  readonly #view: SessionView;
  readonly #abort = new AbortController();
  #jobId: string | undefined;
  #gone = false;

  constructor(client: SandrunClient, view: SessionView) {
    this.#client = client;
    this.#view = view;
  }

  get wasStopped(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Resolves at the end of the program. @throws whatever the server or the network refuses */
  async run(job: NewJob): Promise<void> {
    const { signal } = this.#abort;
    const submitted = await this.#client.submit(job, { signal });
    this.#jobId = submitted.job_id;
    let last: JobStatus | undefined;
    for await (const happening of follow(this.#client, submitted.job_id, signal)) {
      if (happening.kind === "printed") this.#view.printed(happening.stream, happening.text);
      else {
        last = happening.status;
        await this.#tellStatus(last);
      }
    }
    if (last?.outcome === undefined) return;
    this.#view.ended(last);
    await this.#finish(submitted.job_id, last);
  }

  /** Ends the job and destroys it on the server. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.forget();
  }

  /** The server destroys all of it; a job that is gone already is what was wanted. */
  async forget(): Promise<void> {
    if (this.#jobId === undefined || this.#gone) return;
    this.#gone = true;
    await this.#client.cancel(this.#jobId).catch(() => undefined);
  }

  async #tellStatus(status: JobStatus): Promise<void> {
    if (status.status === "running") this.#view.running();
    if (status.status !== "queued") return;
    const stats = await this.#client.stats({ signal: this.#abort.signal }).catch(() => undefined);
    this.#view.waiting(status.queue_position, stats);
  }

  async #finish(jobId: string, status: JobStatus): Promise<void> {
    const { signal } = this.#abort;
    if (status.output_files === undefined || status.output_files === 0) return this.forget();
    const list = await this.#client.outputs(jobId, { signal });
    const held = fitsHere(list)
      ? await fetchAll(this.#client, jobId, list.details, signal)
      : undefined;
    // The archive was sent whole, so the job is gone on the server.
    this.#gone ||= held !== undefined;
    const expiresAtMs = new Date(status.expires_at ?? Date.now()).getTime();
    this.#view.outputs({ list: list.details, held, jobId, expiresAtMs });
  }
}
