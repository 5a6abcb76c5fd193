/** The same question below HTTP: bytes that are no request, or two, or one that never ends. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { echo, post } from "../fakes/service.ts";
import { exchange, openSocket, serveRig, untilClosed, type WireRig } from "../fakes/wire.ts";

describe("a request on the wire", () => {
  let rig: WireRig;
  before(async () => {
    rig = await serveRig({ limits: { headersMs: 300, requestMs: 600, keepAliveMs: 300 } });
    rig.runner.script = echo;
  });
  after(() => rig.stop());

  const HEAD = "POST /run HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n";

  /** Bytes, and the status lines that may come back; `undefined` = closed without an answer. */
  const SHAPES: readonly [string, string | Uint8Array, readonly number[]][] = [
    ["garbage", "\0\x01\x02\xff garbage\r\n\r\n", [400]],
    ["a TLS hello", Buffer.from("160301020001000001fc0303", "hex"), [400]],
    ["HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]],
    ["HTTP/0.9", "GET /\r\n\r\n", [200, 400]],
    ["an invented version", "GET / HTTP/9.9\r\nHost: h\r\n\r\n", [400]],
    ["no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", [400]],
    ["a host that is no host", "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", [400]],
    ["two hosts in one", "GET / HTTP/1.1\r\nHost: a/b@c\r\nConnection: close\r\n\r\n", [400]],
    ["headers too large", `GET / HTTP/1.1\r\nHost: h\r\nX: ${"a".repeat(20_000)}\r\n\r\n`, [431]],
    ["an address too large", `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: h\r\n\r\n`, [431]],
    ["headers without end", `GET / HTTP/1.1\r\n${"aaaa: bbbb\r\n".repeat(5000)}`, [431]],
    ["two equal lengths", `${HEAD}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`, [400]],
    ["two different lengths", `${HEAD}Content-Length: 1\r\nContent-Length: 30\r\n\r\nx`, [400]],
    ["a list of lengths", `${HEAD}Content-Length: 1, 30\r\n\r\nx`, [400]],
    ["a signed length", `${HEAD}Content-Length: +1\r\n\r\nx`, [400]],
    ["a hexadecimal length", `${HEAD}Content-Length: 0x1\r\n\r\nx`, [400]],
    ["an enormous length", `${HEAD}Content-Length: 99999999999999999999\r\n\r\nx`, [400]],
    [
      "length and chunks",
      `${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      [400],
    ],
    ["an unknown transfer encoding", `${HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, [400]],
    ["chunked not last", `${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`, [400]],
    [
      "chunked twice over",
      `${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      [400],
    ],
    ["a space before the colon", `${HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, [400]],
    ["a folded header", `${HEAD}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`, [400]],
    ["a bare line feed", "GET / HTTP/1.1\nHost: h\nConnection: close\n\n", [400]],
    ["a bare carriage return in a header", "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", [400]],
    ["NUL in a header", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", [400]],
    ["a chunk of wrong size", `${HEAD}Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n`, [400]],
    [
      "a chunk of huge size",
      `${HEAD}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx`,
      [400],
    ],
    [
      "a chunk without its end",
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n`,
      [400],
    ],
    [
      "a chunk's endless extension",
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n1;${"a".repeat(30_000)}\r\nx\r\n`,
      [400],
    ],
    ["CONNECT", "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", [405]],
    ["TRACE", "TRACE / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", [405]],
    [
      "an absolute address",
      "GET http://evil.example/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
      [200],
    ],
    [
      "an address that is no address",
      "GET http://[/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
      [400],
    ],
    [
      "an asterisk",
      "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
      [200, 204, 400, 404],
    ],
    ["a backslash", "GET /\\evil HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", [400]],
    [
      "dots that climb",
      "GET /../../etc/passwd HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
      [404],
    ],
    [
      "an upgrade to HTTP/2",
      "GET /health HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
      [200],
    ],
    [
      "an unknown expectation",
      `${HEAD}Expect: the-unexpected\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx`,
      [417],
    ],
    ["a declared length far over the limit", `${HEAD}Content-Length: 90000000\r\n\r\nx`, [413]],
    ["a body that never comes", `${HEAD}Content-Length: 10\r\n\r\n`, [408]],
    ["a body that stops", `${HEAD}Content-Length: 10\r\n\r\nabc`, [408]],
    ["chunks that stop", `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nab`, [408]],
    ["headers that stop", "GET / HTTP/1.1\r\nHost: h\r\nX-", [408]],
    ["nothing at all", "", [408]],
  ];

  for (const [name, bytes, statuses] of SHAPES) {
    it(`is answered or cut, once: ${name}`, async () => {
      const text = await exchange(rig.port, bytes);
      const lines = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
      assert.equal(lines.length, 1, text);
      assert.ok(statuses.includes(lines[0] ?? 0), text);
      if ((lines[0] ?? 0) >= 400 && lines[0] !== 417) {
        const json: { readonly code?: unknown } = JSON.parse(
          text.slice(text.indexOf("\r\n\r\n") + 4).replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/g, ""),
        );
        assert.equal(typeof json.code, "string");
      }
    });
  }

  it("cannot hide a second one in its body", async () => {
    const hidden = "GET /stats HTTP/1.1\r\nHost: h\r\n\r\n";
    const text = await exchange(
      rig.port,
      `${HEAD}Content-Length: ${hidden.length}\r\nConnection: close\r\n\r\n${hidden}`,
    );
    assert.equal(text.match(/HTTP\/1\.1 [1-5]/g)?.length, 1);
    assert.ok(text.endsWith(hidden), "it was code, and echoed");
  });

  it("may follow another on the same connection; each gets its own answer", async () => {
    const one = (body: string, close = "") =>
      `${HEAD}Content-Length: ${body.length}\r\n${close}\r\n${body}`;
    const text = await exchange(rig.port, one("first") + one("second", "Connection: close\r\n"));
    assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 2);
    assert.ok(text.indexOf("first") < text.indexOf("second"));
  });

  it("may be sent byte by byte", async () => {
    const socket = await openSocket(rig.port);
    const answered = untilClosed(socket);
    socket.setNoDelay(true);
    const text = `${HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n`;
    for (const character of text) {
      await new Promise<void>((resolve) => socket.write(character, () => resolve()));
    }
    assert.match(await answered, /\r\n\r\nab$/);
  });

  it("may be refused while it is still being sent, and the answer arrives", async () => {
    const socket = await openSocket(rig.port);
    const answered = untilClosed(socket);
    socket.write(`${HEAD}Content-Encoding: br\r\nContent-Length: 50000000\r\n\r\n`);
    socket.write(Buffer.alloc(300_000));
    assert.match(await answered, /^HTTP\/1\.1 415 /);
  });

  it("leaves the service as it was", async () => {
    assert.equal((await post(rig, "/run", "print(1)")).text, "print(1)");
    assert.deepEqual(rig.engine.totals(), { running: 0, waiting: 0, slots: 4 });
    assert.ok(rig.logged.every(({ event, status = 0 }) => event !== "fault" && status < 500));
  });
});

describe("headers that come slowly", () => {
  it("are cut off long before a body would be", async () => {
    const rig = await serveRig({ limits: { headersMs: 100, requestMs: 60_000 } });
    assert.match(await exchange(rig.port, "GET / HTTP/1.1\r\nHost: h\r\nX-"), /^HTTP\/1\.1 408 /);
    await rig.stop();
  });
});
