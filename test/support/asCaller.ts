/**
 * Callers of a service that trusts this machine as a proxy: each has an address of its own, which
 * X-Forwarded-For tells.
 */
import { once } from "node:events";
import { Agent, request } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import type { Served } from "../e2e/curl.ts";

export interface JobAnswer {
  readonly job_id: string;
  readonly status: string;
  readonly output?: string;
  readonly outcome?: { readonly kind: string; readonly exit_code?: number };
  readonly metrics: {
    readonly cpu_seconds?: number;
    readonly queue_seconds: number;
    readonly wall_seconds: number;
    readonly throttled_seconds: number;
  };
}

export interface QuotaAnswer {
  readonly cpu_seconds_used: number;
  readonly cpu_seconds_available: number;
  readonly running: number;
  readonly waiting: number;
  readonly refills_in: number;
}

export interface Answered {
  readonly status: number;
  readonly body: string;
}

export class AsCaller {
  readonly #served: Served;
  readonly #address: string;
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false });

  /** @param address anything that no other caller of the test has */
  constructor(served: Served, address: string) {
    this.#served = served;
    this.#address = address;
  }

  async ask(
    method: string,
    path: string,
    body?: string | Uint8Array,
    type = "application/json",
  ): Promise<Answered> {
    const headers = {
      "X-Forwarded-For": this.#address,
      ...(body === undefined
        ? {}
        : { "Content-Type": type, "Content-Length": Buffer.byteLength(body) }),
    };
    const options = { method, headers, agent: this.#agent };
    const sent = request(`${this.#served.url}${path}`, options);
    sent.end(body);
    const [answer] = await once(sent, "response");
    const pieces: Buffer[] = [];
    for await (const piece of answer) pieces.push(piece as Buffer);
    return { status: answer.statusCode, body: Buffer.concat(pieces).toString() };
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answered = await this.ask(
      method,
      path,
      body === undefined ? undefined : JSON.stringify(body),
    );
    if (answered.status >= 400) throw new Error(`${answered.status} ${answered.body}`);
    return JSON.parse(answered.body) as T;
  }

  run(code: string, fields: object = {}): Promise<JobAnswer> {
    return this.#json("POST", "/run", { code, ...fields });
  }

  async submit(code: string, fields: object = {}): Promise<string> {
    const { job_id: id } = await this.#json<{ job_id: string }>("POST", "/submit", {
      code,
      ...fields,
    });
    return id;
  }

  status(id: string): Promise<JobAnswer> {
    return this.#json("GET", `/status/${id}`);
  }

  async destroy(id: string): Promise<void> {
    await this.ask("DELETE", `/jobs/${id}`);
  }

  async quota(): Promise<QuotaAnswer> {
    return (await this.#json<{ your_quota: QuotaAnswer }>("GET", "/stats")).your_quota;
  }

  /** Begins an upload that says it has so many bytes, and sends none of them. */
  async beginUpload(bytes: number): Promise<TLSSocket> {
    const { hostname, port } = new URL(this.#served.url);
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
    socket.on("error", () => socket.destroy());
    await once(socket, "secureConnect");
    socket.write(
      `POST /submit HTTP/1.1\r\nHost: ${hostname}\r\nX-Forwarded-For: ${this.#address}\r\n` +
        "Content-Type: multipart/form-data; boundary=x\r\n" +
        `Content-Length: ${bytes}\r\n\r\n--x\r\n`,
    );
    return socket;
  }

  close(): void {
    this.#agent.destroy();
  }
}
