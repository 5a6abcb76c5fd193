/** Jobs of several kinds in a fixed order, as many as are asked for. */
import { type Connection, connectTo } from "./connection.ts";

export interface Many {
  readonly port: number;
  readonly count: number;
  readonly connections: number;
  /** Of `performance.now()`. */
  readonly deadlineMs: number;
  /** Called after each job, with how many are done. */
  readonly onDone?: (done: number) => void;
}

interface Kind {
  readonly path: string;
  readonly type: string;
  readonly body: string;
  /** What the answer has in it: a refusal would be fast, too. */
  readonly expects: string;
}

const SH: Kind = {
  path: "/run?interpreter=sh",
  type: "text/plain",
  body: "echo hi\n",
  expects: "hi",
};
const PYTHON: Kind = { path: "/run", type: "text/plain", body: "print(6 * 7)\n", expects: "42" };
const NODE: Kind = {
  path: "/run?interpreter=node",
  type: "text/plain",
  body: "console.log(6 * 7)\n",
  expects: "42",
};
const FILES: Kind = {
  path: "/run",
  type: "application/json",
  body: JSON.stringify({
    interpreter: "sh",
    code: "mkdir made; cat in.txt - > made/out.txt; cat made/out.txt",
    files: { "in.txt": "file " },
    stdin: "input",
    outputs: ["made/**"],
  }),
  expects: "file input",
};
const FAILS: Kind = {
  path: "/run",
  type: "application/json",
  body: JSON.stringify({ interpreter: "sh", code: "echo no >&2; exit 3" }),
  expects: '"exit_code":3',
};
const HEAVY: Kind = {
  path: "/run",
  type: "application/json",
  body: JSON.stringify({ code: "b = bytearray(200 << 20)", memory_mb: 64 }),
  expects: "out_of_memory",
};

/** Of each hundred jobs. */
const TURN: readonly Kind[] = Array.from({ length: 100 }, (_, place) => {
  if (place % 50 === 49) return HEAVY;
  if (place % 25 === 24) return NODE;
  if (place % 10 === 8) return FAILS;
  if (place % 5 === 3) return FILES;
  return place % 2 === 0 ? SH : PYTHON;
});

/** Addresses of as many callers as it takes that no quota of one is what is measured. */
const CALLERS = 50_000;

function requestOf({ path, type, body }: Kind, job: number): Buffer {
  const caller = job % CALLERS;
  const address = `10.${caller >> 16}.${(caller >> 8) & 255}.${caller & 255}`;
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nX-Forwarded-For: ${address}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/**
 * @returns how long each job took, in the order in which they ended
 * @throws Error when an answer is not what was expected, or time is up
 */
export async function runMany(many: Many): Promise<readonly number[]> {
  const latenciesMs: number[] = [];
  let sent = 0;
  const work = async (connection: Connection) => {
    while (sent < many.count) {
      const job = sent++;
      const kind = TURN[job % TURN.length] ?? SH;
      const sentMs = performance.now();
      if (sentMs > many.deadlineMs) throw new Error(`time was up after ${latenciesMs.length} jobs`);
      const answer = await connection.ask(requestOf(kind, job));
      latenciesMs.push(performance.now() - sentMs);
      if (!answer.startsWith("HTTP/1.1 200") || !answer.includes(kind.expects)) {
        throw new Error(`an unexpected answer to job ${job}: ${answer}`);
      }
      many.onDone?.(latenciesMs.length);
    }
  };
  const connections = await Promise.all(
    Array.from({ length: many.connections }, () => connectTo(many.port)),
  );
  try {
    await Promise.all(connections.map(work));
  } finally {
    for (const connection of connections) connection.close();
  }
  return latenciesMs;
}
