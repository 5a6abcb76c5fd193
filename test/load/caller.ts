/** One of the callers: sends jobs, waits as it is told to, and tells how each of them ended. */
import { type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { HTTP_LIMITS } from "../../src/core/limits.ts";
import type { Kind } from "./kinds.ts";

export interface Told {
  readonly kind: Kind;
  /** As the service told it; undefined when the caller did not stay to hear. */
  readonly end: string | undefined;
  /** What is wrong with it, if anything. */
  readonly wrong: string | undefined;
  readonly cpuMs: number;
  readonly endedAtMs: number;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly bytes: number;
  /** False when it was cut. */
  readonly isWhole: boolean;
}

interface Refused {
  readonly error: string;
  readonly details?: string;
  readonly retry_after?: number;
}

export interface Quota {
  readonly cpu_seconds_available: number;
  readonly refills_in: number;
}

export interface Status {
  readonly outcome?: object;
  /** Not of a job that is gone. */
  readonly metrics?: object;
}

interface Ended {
  readonly outcome: {
    readonly kind: string;
    readonly exit_code?: number;
    readonly signal?: string;
  };
  readonly metrics: { readonly cpu_seconds: number };
  readonly stdout?: string;
}

/** How an answer is read; at once when undefined. */
type Reading = "slowly" | "unread";

/** The service looks after its time whether nothing was taken; then once more, since something was. */
const UNREAD_MS = HTTP_LIMITS.stallMs + 5_000;
/** Pauses of a slow reader, and what others do to a job, come after so long. */
const INTERFERE_MS = 150;

export class Caller {
  readonly #port: number;
  readonly #address: string;
  /** By the sentence that came with them. */
  readonly refusals = new Map<string, number>();
  admitted = 0;
  /** Jobs whose files went before they were downloaded, and it was said why. */
  madeRoom = 0;

  constructor(port: number, address: string) {
    this.#port = port;
    this.#address = address;
  }

  /** Sends one job until it is admitted, and sees it to its end. */
  async send(kind: Kind): Promise<Told> {
    if (kind.fate === "hung up on") return this.#hangUpOn(kind);
    if (kind.fate === "left unread") return this.#leaveUnread(kind);
    if (kind.fate === undefined && kind.share > 5) return this.#run(kind);
    return this.#follow(kind, await this.submit(kind.body));
  }

  /** @returns the id of the job that was admitted at last */
  async submit(body: object): Promise<string> {
    const { text } = await this.#admit("/submit", body);
    return (JSON.parse(text) as { job_id: string }).job_id;
  }

  async status(id: string): Promise<Status> {
    return JSON.parse((await this.#ask("GET", `/status/${id}`)).text) as Status;
  }

  /** @returns the status of the answer */
  async destroy(id: string): Promise<number> {
    return (await this.#ask("DELETE", `/jobs/${id}`)).status;
  }

  async quota(): Promise<Quota> {
    const { text } = await this.#ask("GET", "/stats");
    return (JSON.parse(text) as { your_quota: Quota }).your_quota;
  }

  async #follow(kind: Kind, id: string): Promise<Told> {
    if (kind.fate === "cancelled") return this.#cancel(kind, id);
    let ended: Ended | undefined;
    while (ended === undefined) {
      const { status, text } = await this.#ask("GET", `/status/${id}?wait=20`);
      const told = JSON.parse(text) as Partial<Ended>;
      if (status !== 200) return this.#tell(kind, undefined, `status says ${status}`);
      if (told.outcome !== undefined) ended = told as Ended;
    }
    return this.#tell(kind, ended, await this.#takeAll(kind, id));
  }

  async #run(kind: Kind): Promise<Told> {
    const { text } = await this.#admit("/run", kind.body);
    const ended = JSON.parse(text) as Ended & { readonly job_id: string };
    // It was answered while the job ran on.
    if (ended.outcome === undefined) return this.#follow(kind, ended.job_id);
    const says = kind.prints === undefined || ended.stdout?.includes(kind.prints) === true;
    return this.#tell(kind, ended, says ? undefined : `printed ${ended.stdout?.slice(0, 80)}`);
  }

  /** Log and files of a job that has ended; then it is destroyed. */
  async #takeAll(kind: Kind, id: string): Promise<string | undefined> {
    const reading = kind.fate === "read slowly" ? "slowly" : undefined;
    const log = await this.#ask("GET", `/logs/${id}`, undefined, reading);
    if (kind.prints !== undefined && !log.text.includes(kind.prints)) return "its log lacks a word";
    if (kind.fate === "read slowly" && log.bytes < 1 << 20) return `its log has ${log.bytes} bytes`;
    if (kind.fate !== "downloaded") {
      const { status } = await this.#ask("DELETE", `/jobs/${id}`);
      return status === 204 ? undefined : `destroying it says ${status}`;
    }
    const { status, text } = await this.#ask("GET", `/download/${id}`);
    if (status === 404 && text.includes("to make room")) {
      this.madeRoom += 1;
      return undefined;
    }
    const after = await this.#ask("GET", `/status/${id}`);
    return status === 200 && after.status === 404
      ? undefined
      : `download: ${status}, ${after.status}`;
  }

  async #cancel(kind: Kind, id: string): Promise<Told> {
    await sleep(INTERFERE_MS);
    const { status } = await this.#ask("DELETE", `/jobs/${id}`);
    const after = await this.#ask("GET", `/status/${id}`);
    const isGone = status === 204 && after.status === 404;
    return this.#told(kind, undefined, isGone ? undefined : `${status}, then ${after.status}`);
  }

  async #hangUpOn(kind: Kind): Promise<Told> {
    const stop = new AbortController();
    const asked = this.#ask("POST", "/run", kind.body, undefined, stop.signal).then(
      ({ status }) => status,
      () => 0,
    );
    await sleep(2 * INTERFERE_MS);
    stop.abort();
    const status = await asked;
    return this.#told(kind, undefined, status === 200 ? "it was answered" : undefined);
  }

  /** Its answer is larger than all that a connection holds, and the service has to let go of it. */
  async #leaveUnread(kind: Kind): Promise<Told> {
    const answer = await this.#admit("/run", kind.body, true);
    const wrong = answer.isWhole ? "its answer was kept for whoever does not read" : undefined;
    return this.#told(kind, undefined, wrong);
  }

  async #admit(path: string, body: object, isUnread = false): Promise<Answer> {
    for (;;) {
      const answer = await this.#ask("POST", path, body, isUnread ? "unread" : undefined);
      if (answer.status === 200 || answer.status === 202) {
        this.admitted += 1;
        return answer;
      }
      const refusal = JSON.parse(answer.text) as Refused;
      const { retry_after: seconds } = refusal;
      if (![429, 503].includes(answer.status) || seconds === undefined) {
        throw new Error(`${path}: ${answer.status} ${answer.text.slice(0, 200)}`);
      }
      const why = `${answer.status} ${refusal.details ?? refusal.error}`.replaceAll(/\d{2,}/g, "n");
      this.refusals.set(why, (this.refusals.get(why) ?? 0) + 1);
      await sleep(seconds * 1000);
    }
  }

  #tell(kind: Kind, ended: Ended | undefined, wrong: string | undefined): Told {
    if (ended === undefined) return this.#told(kind, undefined, wrong);
    const { kind: how, exit_code: code, signal } = ended.outcome;
    const end = [how, code ?? signal].filter((word) => word !== undefined).join(" ");
    // It is the truth when somebody who held less needed the place.
    const unlike =
      end === kind.ends || end === "evicted"
        ? undefined
        : `ended as ${JSON.stringify(ended.outcome)}`;
    return this.#told(
      kind,
      end,
      unlike ?? (end === "evicted" ? undefined : wrong),
      ended.metrics.cpu_seconds * 1000,
    );
  }

  #told(kind: Kind, end: string | undefined, wrong: string | undefined, cpuMs = 0): Told {
    return { kind, end, wrong, cpuMs, endedAtMs: performance.now() };
  }

  #ask(
    method: string,
    path: string,
    body?: object,
    reading?: Reading,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const headers = { "X-Forwarded-For": this.#address, "Content-Type": "application/json" };
    const options = { host: "127.0.0.1", port: this.#port, method, path, headers, agent: false };
    const asked = request({ ...options, ...(signal === undefined ? {} : { signal }) }, (answer) => {
      // What comes of the rest of the request is nothing to who has an answer.
      asked.off("error", reject).on("error", () => undefined);
      readAnswer(answer, reading).then(resolve, reject);
    });
    asked.on("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }
}

/** The text of small answers, the size of all. */
async function readAnswer(answer: IncomingMessage, reading?: Reading): Promise<Answer> {
  const kept: Buffer[] = [];
  let bytes = 0;
  const status = answer.statusCode ?? 0;
  if (reading === "unread" && status === 200) await sleep(HTTP_LIMITS.stallMs + UNREAD_MS);
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (bytes < 1 << 16) kept.push(chunk);
      bytes += chunk.length;
      if (reading === "slowly" && bytes % 4 === 0) await sleep(20);
    }
  } catch (cut) {
    if (reading !== "unread") throw cut;
  }
  return { status, text: Buffer.concat(kept).toString(), bytes, isWhole: answer.complete };
}
