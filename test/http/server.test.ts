import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { selfSignedCertificate } from "../../src/http/selfsigned.ts";
import { listen } from "../../src/http/server.ts";
import { FakeOutputs } from "../fakes/runner.ts";
import { ask, echo, makeRig, post, settle } from "../fakes/service.ts";
import { exchange, openSocket, serveRig, until, untilClosed } from "../fakes/wire.ts";

async function textOf(request: ReturnType<typeof httpRequest>): Promise<string> {
  const [answer] = await once(request, "response");
  return (await answer.toArray()).join("");
}

describe("the listener", () => {
  it("serves over TLS with the certificate that it was given, and nothing plain", async () => {
    const { certPem, keyPem } = selfSignedCertificate("h", Date.now());
    const rig = await serveRig({ tls: { cert: certPem, key: keyPem } });
    rig.runner.script = echo;
    const request = httpsRequest({
      port: rig.port,
      host: "127.0.0.1",
      servername: "localhost",
      ca: certPem,
      agent: false,
      method: "POST",
      path: "/run",
      headers: { "Content-Type": "text/plain" },
    });
    request.end("print(1)");
    assert.equal(await textOf(request), "print(1)");
    assert.equal(await exchange(rig.port, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "");
    await rig.stop();
  });

  it("serves plain on a Unix socket, whose peer is believed behind a proxy", async () => {
    const directory = mkdtempSync(join(tmpdir(), "sandrun-socket-"));
    const path = join(directory, "http.sock");
    const rig = makeRig({ behindProxy: true, maxRunning: 1, maxWaiting: 1 });
    const server = await listen({ app: rig.app, log: () => undefined }, { path });
    assert.equal(server.address, path);
    const statusOf = async (client: string) => {
      const request = httpRequest({
        socketPath: path,
        agent: false,
        method: "POST",
        path: "/submit",
        headers: { "Content-Type": "application/json", "X-Forwarded-For": client },
      });
      request.end('{"code":"1"}');
      const [answer] = await once(request, "response");
      answer.resume();
      return answer.statusCode;
    };
    const statuses: unknown[] = [];
    for (const client of ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]) {
      statuses.push(await statusOf(client));
    }
    assert.deepEqual(statuses, [202, 202, 429, 202]);
    await server.close();
    await rig.close();
    rmSync(directory, { recursive: true });
  });

  it("takes a socket over that another process opened", async () => {
    const opener = createServer();
    await new Promise<void>((resolve) => opener.listen(0, "127.0.0.1", resolve));
    const { port } = opener.address() as AddressInfo;
    const { _handle: handle } = opener as unknown as { _handle: { fd: number } };
    const program = `
      import { Hono } from "hono";
      import { listen } from "./src/http/server.ts";
      const app = new Hono().get("/", (c) => c.text("inherited"));
      process.stdout.write((await listen({ app, log: () => undefined }, { fd: 3 })).address);
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      cwd: new URL("../../", import.meta.url),
      stdio: ["ignore", "pipe", "inherit", handle.fd],
    });
    const [address] = await once(child.stdout ?? assert.fail(), "data");
    opener.close();
    assert.equal(String(address), `127.0.0.1:${port}`);
    const text = await exchange(port, "GET / HTTP/1.0\r\n\r\n");
    assert.match(text, /inherited$/);
    child.kill();
    await once(child, "exit");
  });

  it("says where it listens, and refuses a port that is taken", async () => {
    const rig = await serveRig();
    assert.equal(rig.server.address, `127.0.0.1:${rig.port}`);
    const again = listen(
      { app: rig.app, log: () => undefined },
      { host: "127.0.0.1", port: rig.port },
    );
    await assert.rejects(again, { code: "EADDRINUSE" });
    await rig.stop();
  });

  it("lets answers under way finish when it closes, and takes no more", async () => {
    const rig = await serveRig({ limits: { drainMs: 600_000, keepAliveMs: 600_000 } });
    const socket = await openSocket(rig.port);
    socket.write(
      "POST /run HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx",
    );
    const answered = untilClosed(socket);
    const run = await rig.runner.next();
    const closed = rig.server.close();
    run.print("last words");
    run.end();
    assert.match(await answered, /last words$/);
    await closed;
    await rig.close();
  });

  it("cuts what does not finish when it closes", async () => {
    const rig = await serveRig({ limits: { drainMs: 50 } });
    const socket = await openSocket(rig.port);
    socket.write(
      "POST /run HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx",
    );
    const answered = untilClosed(socket);
    await rig.runner.next();
    await rig.stop();
    assert.equal(await answered, "");
  });
});

describe("an answer before the end of its request", () => {
  const BODY = Buffer.alloc(100_000, "x");
  const HEAD = `POST /run HTTP/1.1\r\nHost: h\r\nContent-Type: text/html\r\nContent-Length: ${BODY.length}\r\n\r\n`;
  const NEXT = "GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

  it("is read by whoever sends on for a while, and the connection serves the next one", async () => {
    const rig = await serveRig();
    const socket = await openSocket(rig.port);
    socket.write(Buffer.concat([Buffer.from(HEAD), BODY.subarray(0, 10)]));
    assert.match(await until(socket, (text) => text.includes("\r\n\r\n{")), /^HTTP\/1\.1 415 /);
    // Longer than the library under it would wait.
    await sleep(1000);
    socket.write(Buffer.concat([BODY.subarray(10), Buffer.from(NEXT)]));
    assert.match(await untilClosed(socket), /HTTP\/1\.1 200 [\s\S]*healthy/);
    await rig.stop();
  });

  it("is read by whoever sends on also where the connection then ends", async () => {
    const rig = await serveRig();
    const socket = await openSocket(rig.port);
    const head = HEAD.replace("Host", "Connection: close\r\nHost");
    socket.write(Buffer.concat([Buffer.from(head), BODY.subarray(0, 10)]));
    const refused = await until(socket, (text) => text.includes("\r\n\r\n{"));
    assert.match(refused, /^HTTP\/1\.1 415 [\s\S]*Connection: close/i);
    const written = Promise.withResolvers<unknown>();
    await sleep(100);
    socket.write(BODY.subarray(10, 50_000));
    await sleep(100);
    socket.write(BODY.subarray(50_000), written.resolve);
    assert.equal((await written.promise) ?? undefined, undefined, "nothing was reset");
    await untilClosed(socket);
    await rig.stop();
  });

  it("ends the connection of whoever sends for too long, or too much", async () => {
    const rig = await serveRig({ limits: { lingerMs: 50 } });
    const slow = await openSocket(rig.port);
    slow.write(HEAD);
    assert.match(await untilClosed(slow), /^HTTP\/1\.1 415 /);
    await rig.stop();
    const patient = await serveRig({ limits: { lingerMs: 600_000 } });
    const endless = await openSocket(patient.port);
    endless.write(HEAD.replace(/Length: \d+/, "Length: 1000000000000"));
    const piece = Buffer.alloc(1 << 20);
    const send = () => endless.write(piece, (error) => error ?? send());
    send();
    // Told by a failed write, or by the end.
    await untilClosed(endless).catch(() => undefined);
    await patient.stop();
  });
});

describe("S14: hanging up", () => {
  const RUN =
    "POST /run HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx";

  it("cancels the job of /run", async () => {
    const rig = await serveRig();
    const socket = await openSocket(rig.port);
    socket.write(RUN);
    const run = await rig.runner.next();
    socket.destroy();
    await once(run.signal, "abort");
    assert.equal(run.signal.reason, "cancelled");
    await rig.stop();
  });

  it("does not cancel the job of /submit", async () => {
    const rig = await serveRig();
    const socket = await openSocket(rig.port);
    const body = '{"code":"1"}';
    socket.write(
      `POST /submit HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await until(socket, (text) => text.includes("job_id"));
    socket.destroy();
    const run = await rig.runner.next();
    run.end();
    await settle();
    assert.equal(run.signal.aborted, false);
    await rig.stop();
  });

  it("in the middle of a download keeps the job; the whole of it destroys the job", async () => {
    const rig = await serveRig();
    const { json } = await post(rig, "/submit", { code: "1" });
    const id = String(json?.job_id);
    // More than any socket buffer holds, and nothing that gzip makes small.
    const noise = Buffer.alloc(24 * 1024 * 1024);
    for (let i = 0, x = 1; i < noise.length; i += 4) {
      x = (Math.imul(x, 1664525) + 1013904223) | 0;
      noise.writeInt32LE(x ^ (x >>> 13), i);
    }
    const outputs = new FakeOutputs({ "noise.bin": noise });
    (await rig.runner.next()).end({ outputs });
    await settle();
    const socket = await openSocket(rig.port);
    socket.write(`GET /download/${id} HTTP/1.1\r\nHost: h\r\n\r\n`);
    await until(socket, (text) => text.length > 100_000);
    socket.destroy();
    while (outputs.reading > 0) await settle();
    await settle();
    assert.equal((await ask(rig, `/status/${id}`)).status, 200);
    const whole = await exchange(
      rig.port,
      `GET /download/${id} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`,
    );
    assert.ok(whole.endsWith("\r\n0\r\n\r\n"));
    assert.equal((await ask(rig, `/status/${id}`)).status, 404);
    assert.equal(outputs.destroyed, 1);
    await rig.stop();
  });

  it("cuts a download whose box dies, instead of ending it like a whole one", async () => {
    const rig = await serveRig();
    const { json } = await post(rig, "/submit", { code: "1" });
    const outputs = new FakeOutputs({ "big.bin": Buffer.alloc(5_000_000, 1) });
    (await rig.runner.next()).end({ outputs });
    await settle();
    const gate = Promise.withResolvers<void>();
    outputs.gate = gate.promise;
    const socket = await openSocket(rig.port);
    socket.write(`GET /download/${json?.job_id} HTTP/1.1\r\nHost: h\r\n\r\n`);
    const got = untilClosed(socket);
    await settle();
    outputs.destroyed = 1;
    gate.resolve();
    assert.ok(!(await got).endsWith("0\r\n\r\n"));
    assert.ok(rig.logged.some(({ event }) => event === "fault"));
    await rig.stop();
  });
});
