/** Requests that are no requests, are two at once, never end, or say that they are somebody else's. */
import { setTimeout as sleep } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import { BOUNDARY, FORM_TYPE, form } from "../../archive/craft.ts";
import { patient } from "../../support/patience.ts";
import { type Case, checked, contained, escaped } from "../case.ts";
import { answersIn, type Sent, type ServiceAt, statusIn } from "../client.ts";
import { withRaw } from "../host.ts";
import { codeOf, destroyAt, idOf, manifestPart, runAt, submit } from "../jobsAt.ts";

const SECOND = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
const AS_TEXT = "POST /run HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n";
const CHUNKED = `${AS_TEXT}Transfer-Encoding: chunked\r\n`;

/** Bodies whose end two readers would see in two places; each hides a second request. */
const TWO_ENDS: readonly (readonly [string, string])[] = [
  ["length and chunks", `${CHUNKED}Content-Length: 5\r\n\r\n0\r\n\r\n${SECOND}`],
  [
    "chunks and length",
    `${AS_TEXT}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SECOND}`,
  ],
  [
    "two lengths",
    `${AS_TEXT}Content-Length: 1\r\nContent-Length: ${SECOND.length + 1}\r\n\r\n1${SECOND}`,
  ],
  ["a length with a sign", `${AS_TEXT}Content-Length: +1\r\n\r\n1${SECOND}`],
  ["a length in hexadecimal", `${AS_TEXT}Content-Length: 0x1\r\n\r\n1${SECOND}`],
  ["a list of lengths", `${AS_TEXT}Content-Length: 1, 1\r\n\r\n1${SECOND}`],
  [
    "an encoding that is none",
    `${AS_TEXT}Transfer-Encoding: xchunked\r\nContent-Length: 1\r\n\r\n1${SECOND}`,
  ],
  [
    "an encoding in disguise",
    `${AS_TEXT}Transfer-Encoding:\u000bchunked\r\nContent-Length: 1\r\n\r\n1${SECOND}`,
  ],
  [
    "chunked twice",
    `${AS_TEXT}Transfer-Encoding: chunked, identity\r\nContent-Length: 1\r\n\r\n1${SECOND}`,
  ],
  ["a space before the colon", `${AS_TEXT}Content-Length : 1\r\n\r\n1${SECOND}`],
  [
    "a folded line",
    `${AS_TEXT}X-A: b\r\n Content-Length: 9\r\nContent-Length: 1\r\n\r\n1${SECOND}`,
  ],
  ["a bare line feed", `${AS_TEXT}X-A: b\nContent-Length: 1\r\n\r\n1${SECOND}`],
  [
    "a bare carriage return",
    `${AS_TEXT}X-A: b\rContent-Length: 1\r\nContent-Length: 1\r\n\r\n1${SECOND}`,
  ],
  ["a chunk with a minus", `${CHUNKED}\r\n-1\r\n\r\n${SECOND}`],
  ["a chunk beyond numbers", `${CHUNKED}\r\nfffffffffffffffff1\r\n1\r\n0\r\n\r\n${SECOND}`],
  ["a NUL in a header", `${AS_TEXT}X-A: \0\r\nContent-Length: 1\r\n\r\n1${SECOND}`],
];

const ODD_PATHS = [
  "//health",
  "/status/../health",
  "/status/%2e%2e/health",
  "/status/%00",
  "/%",
  "/status/%ff%fe",
  `/status/${"a".repeat(8000)}`,
  "/run?timeout=1e999",
  "/run?interpreter=__proto__",
  "*",
  "/download/x/%2f%2f",
  "/logs/x/stream",
  "/jobs/",
  "/;/../../etc/passwd",
];
const ODD_METHODS = ["TRACE", "CONNECT", "PATCH", "PROPFIND", "OPTIONS", "PUT", "LOCK", "M-SEARCH"];

const json = (body: string): Sent => ({ headers: { "Content-Type": "application/json" }, body });
const BODIES: readonly (readonly [string, Sent])[] = [
  ["arrays in arrays", json("[".repeat(200_000))],
  ["objects in objects", json('{"a":'.repeat(100_000))],
  ["a broken end", json('{"code": "print(1)"')],
  ["no object", json("null")],
  ["a prototype", json('{"code": "1", "__proto__": {"timeout": 1}, "constructor": {}}')],
  ["a key twice", json('{"code": "1", "timeout": "x", "timeout": []}')],
  ["numbers beyond numbers", json('{"code": "1", "timeout": 1e999, "memory_mb": -0}')],
  ["half a character", json('{"code": "\\ud800", "args": ["\\udfff\\u0000"]}')],
  ["bytes that are no text", json(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]).toString("latin1"))],
  ["code that is a list", json('{"code": ["print(1)"]}')],
  [
    "a compressed body",
    { headers: { "Content-Type": "application/json", "Content-Encoding": "gzip" }, body: "x" },
  ],
];

const formed = (body: string | Buffer, type = FORM_TYPE): Sent => ({
  headers: { "Content-Type": type },
  body,
});
const FORMS: readonly (readonly [string, Sent])[] = [
  ["no boundary", formed("--x\r\n", "multipart/form-data")],
  ["an empty boundary", formed("--\r\n\r\n----", "multipart/form-data; boundary=")],
  [
    "a boundary of 10,000 letters",
    formed("x", `multipart/form-data; boundary=${"b".repeat(10_000)}`),
  ],
  [
    "no end",
    formed(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc`,
    ),
  ],
  ["no part", formed(`--${BOUNDARY}--\r\n`)],
  ["a part without a name", formed(form({ head: "Content-Disposition: form-data" }))],
  ["a part without headers", formed(`--${BOUNDARY}\r\n\r\nx\r\n--${BOUNDARY}--\r\n`)],
  ["headers without end", formed(form({ head: `X-A: ${"b".repeat(100_000)}` }))],
  [
    "5,000 parts",
    formed(form(...Array.from({ length: 5000 }, () => ({ fileName: "a", body: "" })))),
  ],
  [
    "two manifests",
    formed(form(manifestPart({}), manifestPart({}), { fileName: "main.py", body: "1" })),
  ],
  [
    "a manifest that is none",
    formed(form({ name: "manifest", body: "]" }, { fileName: "main.py", body: "1" })),
  ],
  [
    "a form in a form",
    formed(
      form({
        head: `Content-Disposition: form-data; name="files"\r\nContent-Type: multipart/mixed; boundary=c`,
        body: "--c\r\n\r\nx\r\n--c--",
      }),
    ),
  ],
];

/** Each gets an answer that says no (400 to 499), soon. */
function refusesEach(path: string, requests: readonly (readonly [string, Sent])[]): Case["attack"] {
  return async (arena) => {
    const service = await arena.service();
    for (const [name, sent] of requests) {
      const answer = await service.ask("POST", path, sent).catch(() => undefined);
      if (answer === undefined) return escaped(`${name}: no answer`);
      if (answer.status < 400 || answer.status > 499) return escaped(`${name}: ${codeOf(answer)}`);
    }
    return contained(`${requests.length} were refused`);
  };
}

/** Whether somebody else is answered while `burden` lies on the service. */
async function isServed(service: ServiceAt, withinMs = 5000): Promise<boolean> {
  const answer = service.ask("GET", "/health").then(
    ({ status }) => status === 200,
    () => false,
  );
  return Promise.race([answer, sleep(patient(withinMs), false, { ref: false })]);
}

/** Holds that many connections, each having sent that much and no more. */
function holds(count: number, begun: string): Case["attack"] {
  return async (arena) => {
    const service = await arena.service();
    return withRaw(service, count, begun, async () =>
      (await isServed(service))
        ? contained(`others are served beside ${count} of them`)
        : escaped("nobody else is served"),
    );
  };
}

const FORWARDED = [
  "X-Forwarded-For",
  "Forwarded",
  "X-Real-IP",
  "CF-Connecting-IP",
  "True-Client-IP",
];
const SLEEPER = "import time\ntime.sleep(600)";

export const REQUESTS: readonly Case[] = [
  {
    id: "requests/smuggling",
    promise: "S14",
    tries: "hides a request in the body of another, by bodies that end in two places",
    attack: async (arena) => {
      const service = await arena.service();
      for (const [name, bytes] of TWO_ENDS) {
        const answered = await service.raw(bytes, arena.isBox ? 1500 : 300);
        if (answersIn(answered) > 1) return escaped(`${name}: the hidden one was answered`);
        if (statusIn(answered) >= 500) return escaped(`${name}: ${statusIn(answered)}`);
      }
      return contained(`${TWO_ENDS.length} shapes, never two answers`);
    },
  },
  {
    id: "requests/headers",
    promise: "S14",
    tries: "sends megabytes of headers",
    attack: async (arena) => {
      const service = await arena.service();
      const lines = Array.from(
        { length: 80 },
        (_, index) => `X-${index}: ${"a".repeat(60_000)}\r\n`,
      );
      const answered = await service.raw(
        `GET /health HTTP/1.1\r\nHost: x\r\n${lines.join("")}\r\n`,
      );
      const status = statusIn(answered);
      return status === 200
        ? escaped("all of them were taken")
        : contained(status === 0 ? "hung up" : `${status}`);
    },
  },
  {
    id: "requests/slow-headers",
    promise: "S14",
    tries: "holds 200 connections that never finish their headers",
    attack: holds(200, "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "),
  },
  {
    id: "requests/slow-bodies",
    promise: "S14",
    tries: "holds 70 uploads that never finish their bodies",
    attack: holds(
      70,
      `POST /submit HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM_TYPE}\r\nContent-Length: 1000000\r\n\r\n--`,
    ),
  },
  {
    id: "requests/large-body",
    promise: "S14",
    tries: "says that a gigabyte comes",
    attack: async (arena) => {
      const service = await arena.service();
      const answered = await service.raw(`${AS_TEXT}Content-Length: 1073741824\r\n\r\nx`, 3000);
      return statusIn(answered) === 413
        ? contained("413 before it came")
        : escaped("it was waited for");
    },
  },
  {
    id: "requests/bodies",
    promise: "S14",
    tries: "sends JSON that is deep, broken, doubled, odd, compressed",
    attack: refusesEach("/run", BODIES),
  },
  {
    id: "requests/forms",
    promise: "S14",
    tries: "sends forms without boundary, end, name or bound",
    attack: refusesEach("/submit", FORMS),
  },
  {
    id: "requests/paths",
    promise: "S14",
    tries: "asks by odd methods for odd addresses",
    attack: async (arena) => {
      const service = await arena.service();
      const asked = [
        ...ODD_PATHS.map((path) => `GET ${path}`),
        ...ODD_METHODS.map((method) => `${method} /run`),
      ];
      for (const line of asked) {
        const status = statusIn(
          await service.raw(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
        );
        if (status >= 500) return escaped(`${line.slice(0, 40)}: ${status}`);
      }
      return contained(`${asked.length}, and nothing broke`);
    },
  },
  {
    id: "requests/forwarded",
    promise: "S14",
    tries: "says by headers that it is somebody else, who has nothing running yet",
    attack: async (arena) => {
      const service = await arena.service();
      const id = idOf(await submit(service, { fileName: "main.py", body: SLEEPER }));
      try {
        for (const name of FORWARDED) {
          const stats = await service.json("GET", "/stats", {
            headers: { [name]: "203.0.113.77" },
          });
          const quota = stats["your_quota"] as { running: number; waiting: number };
          if (quota.running + quota.waiting === 0) return escaped(`${name} was believed`);
        }
        return contained("it is known by its address alone");
      } finally {
        await destroyAt(service, id);
      }
    },
  },
  {
    id: "requests/head",
    promise: "S14",
    tries: "destroys a job by asking about its download only",
    attack: async (arena) => {
      const service = await arena.service();
      const { id } = await runAt(service, 'open("out", "w").write("x")');
      await service.ask("HEAD", `/download/${id}`);
      const { status } = await service.ask("GET", `/status/${id}`);
      await destroyAt(service, id);
      return status === 200 ? contained("it is still there") : escaped("it is gone");
    },
  },
  {
    id: "requests/guess",
    promise: "S14",
    tries: "guesses ids near its own, and learns from the answers which exist",
    attack: async (arena) => {
      const service = await arena.service();
      const { id } = await runAt(service, "print('of somebody else')");
      const own = await runAt(service, "print('own')");
      await destroyAt(service, own.id);
      const near = [
        ...Array.from({ length: 50 }, (_, number) => `${number}`),
        id.replace(/.$/, "0"),
        id.slice(0, -1),
        id.toUpperCase().replace(/.$/, "x"),
        own.id,
        // One of these may be the id itself.
      ].filter((guess) => guess !== id);
      const answers = new Set<string>();
      for (const guess of near) {
        const { status, body } = await service.ask("GET", `/logs/${guess}`);
        answers.add(`${status} ${body}`);
        if (body.includes("of somebody else")) return escaped(`${guess} is one`);
      }
      await destroyAt(service, id);
      return answers.size === 1
        ? contained(`one answer to ${near.length} guesses`)
        : escaped("the answers tell ids apart");
    },
  },
  {
    id: "requests/flood",
    promise: "S14",
    tries: "submits a hundred jobs that never end",
    attack: async (arena) => {
      const service = await arena.service();
      const ids: string[] = [];
      const refused: string[] = [];
      for (let number = 0; number < 100; number++) {
        const answer = await submit(service, { fileName: "main.py", body: SLEEPER });
        if (answer.status === 202) ids.push(idOf(answer));
        else refused.push(codeOf(answer));
      }
      for (const id of ids) await destroyAt(service, id);
      return checked(contained(`${ids.length} were taken, then ${refused[0]}`), [
        refused.length > 0,
        "all were taken",
      ]);
    },
  },
  {
    id: "requests/plain",
    promise: "S14",
    tries: "speaks HTTP without TLS, and TLS of an old version",
    attack: async (arena) => {
      const service = await arena.service();
      const plain = await withRaw(
        { ...service, isPlain: true },
        1,
        SECOND,
        ([socket]) =>
          new Promise<string>((resolve) => {
            socket?.once("data", (data: Buffer) => resolve(data.toString("latin1")));
            socket?.once("close", () => resolve(""));
            setTimeout(resolve, 3000, "").unref();
          }),
      );
      if (statusIn(plain) === 200) return escaped("it was answered without TLS");
      const old = await new Promise<boolean>((resolve) => {
        const socket = tlsConnect({
          host: "127.0.0.1",
          port: service.port,
          rejectUnauthorized: false,
          minVersion: "TLSv1",
          maxVersion: "TLSv1.1",
          ciphers: "DEFAULT@SECLEVEL=0",
        });
        socket.once("secureConnect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("close", () => resolve(false));
      });
      return old ? escaped("TLS 1.1 was taken") : contained("neither was taken");
    },
  },
  {
    id: "requests/hang-up",
    promise: "S11",
    tries: "asks for a long run and hangs up, to leave it running",
    attack: async (arena) => {
      const service = await arena.service();
      const body = SLEEPER.replace("600", "6");
      const socket = await service.connect();
      socket.on("error", () => undefined);
      socket.write(`${AS_TEXT}Content-Length: ${body.length}\r\n\r\n${body}`);
      await sleep(500);
      socket.destroy();
      await sleep(500);
      const stats = service.json("GET", "/stats").catch(() => undefined);
      const answered = await Promise.race([stats, sleep(3000, undefined, { ref: false })]);
      const quota = answered?.["your_quota"] as { running: number; waiting: number } | undefined;
      if (quota === undefined) return escaped("the service is still at it");
      return quota.running === 0 ? contained("it was ended") : escaped("it runs on");
    },
  },
];
