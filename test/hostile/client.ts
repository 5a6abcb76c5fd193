/** A client that may send anything: whole requests, or bytes of its choice. */
import { readFileSync } from "node:fs";
import { type IncomingHttpHeaders, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { connect as plainConnect, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { patient } from "../support/patience.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface ServiceAt {
  readonly port: number;
  /** One request; fails when no answer comes in 30 seconds. */
  ask(method: string, path: string, sent?: Sent): Promise<Answer>;
  json(method: string, path: string, sent?: Sent): Promise<Record<string, unknown>>;
  /** A connection that is ready for bytes. */
  connect(): Promise<Socket>;
  /** Sends bytes and returns all that comes back until the other side ends, or is silent. */
  raw(bytes: string | Uint8Array, silentMs?: number): Promise<string>;
}

const ANSWER_MS = 30_000;
/** A service that has not answered for so long waits for more. */
const SILENT_MS = 1500;

/** @param certificate path of the certificate that it must show; undefined = plain HTTP */
export function serviceAt(port: number, certificate?: string): ServiceAt {
  const ca = certificate === undefined ? undefined : readFileSync(certificate);
  const host = { host: "127.0.0.1", port, servername: "localhost" };
  const ask: ServiceAt["ask"] = (method, path, { headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const options = { ...host, method, path, headers, agent: false, timeout: patient(ANSWER_MS) };
      const started = ca === undefined ? plainRequest(options) : tlsRequest({ ...options, ca });
      started.once("timeout", () => started.destroy(new Error("no answer")));
      started.once("error", reject);
      started.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const { statusCode: status = 0, headers: answered } = response;
          resolve({ status, headers: answered, body: Buffer.concat(chunks) });
        });
      });
      started.end(body);
    });
  const connect = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = ca === undefined ? plainConnect(host) : tlsConnect({ ...host, ca });
      socket.once("error", reject);
      socket.once(ca === undefined ? "connect" : "secureConnect", () => resolve(socket));
    });
  return {
    port,
    ask,
    connect,
    json: async (...words) =>
      JSON.parse((await ask(...words)).body.toString()) as Record<string, unknown>,
    raw: async (bytes, silentMs = SILENT_MS) => readAll(await connect(), bytes, patient(silentMs)),
  };
}

function readAll(socket: Socket, bytes: string | Uint8Array, silentMs: number): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const done = () => {
      socket.destroy();
      resolve(Buffer.concat(chunks).toString("latin1"));
    };
    socket.setTimeout(silentMs, done);
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    // A reset is an end too.
    socket.on("error", done);
    socket.once("close", done);
    socket.write(bytes);
  });
}

/** How many answers stand in what came back; the next one follows a body without a break. */
export function answersIn(text: string): number {
  return [...text.matchAll(/HTTP\/1\.[01] \d{3} /g)].length;
}

export function statusIn(text: string): number {
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);
}
