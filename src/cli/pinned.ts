/**
 * `fetch` and WebSockets that trust exactly one certificate, by its SHA-256, in place of the authorities: for a
 * server with a self-signed one. The certificate is compared before a connection is handed to
 * HTTP, so not a byte of a job goes to anybody else.
 */
import { Agent, request } from "node:https";
import type { Duplex } from "node:stream";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { connect } from "node:tls";
import { WebSocket } from "ws";
import type { OpenSocket } from "../client/attach.ts";
import type { Fetch } from "../client/client.ts";
import { CLIENT_LIMITS } from "../core/limits.ts";
import { UsageError } from "./usage.ts";

/** Upper-case hex pairs with colons, as certificates are printed. @throws UsageError */
export function parseFingerprint(given: string): string {
  const hex = given
    .replace(/^sha-?256[:=]/i, "")
    .replaceAll(":", "")
    .toUpperCase();
  if (!/^[0-9A-F]{64}$/.test(hex))
    throw new UsageError("--fingerprint takes a SHA-256 of 64 hex digits, with or without colons");
  return (hex.match(/../g) ?? []).join(":");
}

class PinningAgent extends Agent {
  readonly #fingerprint: string;

  constructor(fingerprint: string) {
    super({ keepAlive: true });
    this.#fingerprint = fingerprint;
  }

  override createConnection(
    options: object,
    ready: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    // The authorities are not asked: the pin is stricter than they are.
    const socket = connect({
      ...options,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    const fail = (error: Error): void => ready(error, socket);
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      socket.off("error", fail);
      if (socket.getPeerCertificate().fingerprint256 === this.#fingerprint) {
        ready(null, socket);
        return;
      }
      socket.destroy();
      ready(new UsageError("the server's certificate has another fingerprint"), socket);
    });
  }
}

/** @param fingerprint as `parseFingerprint` gives it */
export function pinnedFetch(fingerprint: string): Fetch {
  const agent = new PinningAgent(fingerprint);
  return async (url, init) => {
    const message = new Request(url, init);
    const { body, headers } = await withLength(message);
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const sent = request(
      url,
      { method: message.method, headers, agent, signal: message.signal },
      (answer) => {
        const status = answer.statusCode ?? 0;
        const facts = { status, headers: flat(answer.headersDistinct) };
        const hasBody = status !== 204 && status !== 304;
        if (!hasBody) answer.resume();
        resolve(new Response(hasBody ? Readable.toWeb(answer) : null, facts));
      },
    );
    sent.once("error", reject);
    if (body instanceof Buffer) sent.end(body);
    else pipeline(body, sent).catch(reject);
    return promise;
  };
}

/** What is sent with its length lets the server refuse what is too large before it arrives. */
async function withLength(message: Request): Promise<{
  readonly body: Buffer | Readable;
  readonly headers: Readonly<Record<string, string>>;
}> {
  const headers = Object.fromEntries(message.headers);
  if (headers["content-length"] !== undefined && message.body !== null)
    return { body: Readable.fromWeb(message.body), headers };
  const body = Buffer.from(await message.arrayBuffer());
  return { body, headers: { ...headers, "content-length": String(body.byteLength) } };
}

/** The same for WebSockets. */
export function pinnedSocket(fingerprint: string): OpenSocket {
  const agent = new PinningAgent(fingerprint);
  const maxPayload = CLIENT_LIMITS.frameCharacters;
  return (url) => new WebSocket(url, { agent, maxPayload, perMessageDeflate: false });
}

function flat(headers: NodeJS.Dict<string[]>): [string, string][] {
  return Object.entries(headers).flatMap(([name, values]) =>
    (values ?? []).map((value): [string, string] => [name, value]),
  );
}
