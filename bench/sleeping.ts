/** A service that sleeps: what it holds then, and how long whoever wakes it waits. */
import { setTimeout as sleep } from "node:timers/promises";
import { connectTo } from "./connection.ts";
import { processesOf, type Service } from "./service.ts";
import type { Row } from "./table.ts";

const BODY = "echo hi\n";
const REQUEST = Buffer.from(
  "POST /run?interpreter=sh HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n" +
    `Content-Length: ${BODY.length}\r\n\r\n${BODY}`,
);

/** With a connection of its own. */
async function runOnce({ port }: Service): Promise<number> {
  const begunMs = performance.now();
  const connection = await connectTo(port);
  const answer = await connection.ask(REQUEST);
  const tookMs = performance.now() - begunMs;
  connection.close();
  if (!answer.endsWith("hi\n")) throw new Error(`an unexpected answer: ${answer}`);
  return tookMs;
}

/** @param service with `--sleep`, which has had nothing to do for a while; it is waited for */
export async function sleepRows(service: Service): Promise<Row[]> {
  // Warden and keeper stay.
  while (processesOf(service.pid).length > 2) await sleep(100);
  const writtenKib = processesOf(service.pid).reduce((sum, one) => sum + one.writtenKib, 0);
  const wokenMs = await runOnce(service);
  return [
    {
      id: "asleep",
      what: "all processes asleep (`--sleep`), memory that they have written",
      value: writtenKib * (1024 / 1e6),
      unit: "MB",
      goal: { most: 10 },
    },
    {
      id: "woken",
      what: "`echo hi` by /run that wakes it, once, TLS and all",
      value: wokenMs,
      unit: "ms",
      goal: { most: 300 },
    },
  ];
}
