/** One of the callers: sends jobs, waits as it is told to, and tells how each of them ended. */
import { type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
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
}

interface Refused {
  readonly error: string;
  readonly details?: string;
  readonly retry_after?: number;
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
    if (kind.fate === undefined && kind.share > 5) return this.#run(kind);
    const { text } = await this.#admit("/submit", kind);
    return this.#follow(kind, (JSON.parse(text) as { job_id: string }).job_id);
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
    const { text } = await this.#admit("/run", kind);
    const ended = JSON.parse(text) as Ended & { readonly job_id: string };
    // It was answered while the job ran on.
    if (ended.outcome === undefined) return this.#follow(kind, ended.job_id);
    const says = kind.prints === undefined || ended.stdout?.includes(kind.prints) === true;
    return this.#tell(kind, ended, says ? undefined : `printed ${ended.stdout?.slice(0, 80)}`);
  }

  /** Log and files of a job that has ended; then it is destroyed. */
  async #takeAll(kind: Kind, id: string): Promise<string | undefined> {
    const log = await this.#ask("GET", `/logs/${id}`, undefined, kind.fate === "read slowly");
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
    const asked = this.#ask("POST", "/run", kind.body, false, stop.signal).then(
      ({ status }) => status,
      () => 0,
    );
    await sleep(2 * INTERFERE_MS);
    stop.abort();
    const status = await asked;
    return this.#told(kind, undefined, status === 200 ? "it was answered" : undefined);
  }

  async #admit(path: string, kind: Kind): Promise<Answer> {
    for (;;) {
      const answer = await this.#ask("POST", path, kind.body);
      if (answer.status === 200 || answer.status === 202) {
        this.admitted += 1;
        return answer;
      }
      const refusal = JSON.parse(answer.text) as Refused;
      const { retry_after: seconds } = refusal;
      if (![429, 503].includes(answer.status) || seconds === undefined) {
        throw new Error(`${kind.name}: ${answer.status} ${answer.text.slice(0, 200)}`);
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
    isSlow = false,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const headers = { "X-Forwarded-For": this.#address, "Content-Type": "application/json" };
    const options = { host: "127.0.0.1", port: this.#port, method, path, headers, agent: false };
    const asked = request({ ...options, ...(signal === undefined ? {} : { signal }) }, (answer) => {
      readAnswer(answer, isSlow).then(resolve, reject);
    });
    asked.on("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  }
}

/** The text of small answers, the size of all. */
async function readAnswer(answer: IncomingMessage, isSlow: boolean): Promise<Answer> {
  const kept: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    if (bytes < 1 << 16) kept.push(chunk);
    bytes += chunk.length;
    if (isSlow && bytes % 4 === 0) await sleep(20);
  }
  return { status: answer.statusCode ?? 0, text: Buffer.concat(kept).toString(), bytes };
}
