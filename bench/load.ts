/**
 * The load generator: connections that are kept alive, each with one request under way. It writes
 * bytes that were made beforehand and reads as much of an answer as it takes to find its end, since
 * it runs on the cores that it measures.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, connectTo } from "./connection.ts";

export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Between an answer and the next request of that connection. */
  readonly pauseMs: number;
  readonly path: string;
  readonly body: string;
  /** What each answer must end with: a refusal would be fast, too. */
  readonly expects: string;
}

export interface Loaded {
  readonly latenciesMs: readonly number[];
  readonly seconds: number;
  readonly perSecond: number;
}

/** Addresses of as many callers as it takes that no limit of one caller is measured. */
const CALLERS = 4096;

function requestOf(load: Load, caller: number): Buffer {
  const address = `10.${caller >> 16}.${(caller >> 8) & 255}.${caller & 255}`;
  return Buffer.from(
    `POST ${load.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n` +
      `X-Forwarded-For: ${address}\r\nContent-Length: ${Buffer.byteLength(load.body)}\r\n\r\n${load.body}`,
  );
}

/** @throws Error when an answer is not what was expected */
export async function runLoad(load: Load): Promise<Loaded> {
  const requests = Array.from({ length: CALLERS }, (_, caller) => requestOf(load, caller));
  const connections = await Promise.all(
    Array.from({ length: load.connections }, () => connectTo(load.port)),
  );
  const latenciesMs: number[] = [];
  const begunMs = performance.now();
  let sent = 0;
  const work = async (connection: Connection) => {
    while (performance.now() - begunMs < load.seconds * 1000) {
      const request = requests[sent++ % CALLERS];
      const sentMs = performance.now();
      const answer = await connection.ask(request ?? Buffer.alloc(0));
      latenciesMs.push(performance.now() - sentMs);
      if (!answer.startsWith("HTTP/1.1 200") || !answer.endsWith(load.expects)) {
        throw new Error(`an unexpected answer: ${answer}`);
      }
      if (load.pauseMs > 0) await sleep(load.pauseMs);
    }
  };
  try {
    await Promise.all(connections.map(work));
  } finally {
    for (const connection of connections) connection.close();
  }
  const seconds = (performance.now() - begunMs) / 1000;
  return { latenciesMs, seconds, perSecond: latenciesMs.length / seconds };
}
