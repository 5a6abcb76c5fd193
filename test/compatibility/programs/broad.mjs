// What programs for Node use: files, processes, threads, data, and no network.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { exec, execFileSync, fork, spawn, spawnSync } from "node:child_process";
import * as crypto from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as fsp from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { monitorEventLoopDelay, PerformanceObserver, performance } from "node:perf_hooks";
import readline from "node:readline";
import { duplexPair, PassThrough, pipeline, Readable, Transform } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline as piped } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import v8 from "node:v8";
import vm from "node:vm";
import {
  BroadcastChannel,
  isMainThread,
  MessageChannel,
  parentPort,
  receiveMessageOnPort,
  Worker,
  workerData,
} from "node:worker_threads";
import zlib from "node:zlib";

const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);
const self = import.meta.filename;

async function files() {
  const top = await fsp.mkdtemp(path.join(os.tmpdir(), "broad-"));
  const file = path.join(top, "ä.txt");
  await fsp.writeFile(file, "one\ntwo\n", { mode: 0o640 });
  await fsp.appendFile(file, "three\n");
  await fsp.link(file, path.join(top, "hard"));
  await fsp.symlink("ä.txt", path.join(top, "soft"));
  await fsp.utimes(file, 1, 2);
  const found = await fsp.stat(file, { bigint: true });
  say("stat", (found.mode & 0o777n).toString(8), found.nlink, found.mtimeNs, found.size);
  await fsp.mkdir(path.join(top, "deep", "er"), { recursive: true });
  await fsp.writeFile(path.join(top, "deep", "er", "file"), "");
  await fsp.cp(path.join(top, "deep"), path.join(top, "copy"), { recursive: true });
  say("list", (await fsp.readdir(top, { recursive: true })).sort().join(","));
  await fsp.copyFile(file, path.join(top, "clone"), fs.constants.COPYFILE_FICLONE);
  const handle = await fsp.open(file, "r+");
  await handle.datasync();
  await handle.truncate(5);
  const lines = [];
  for await (const line of handle.readLines()) lines.push(line);
  say("lines", lines.join("|"));
  say("real", path.basename(await fsp.realpath(path.join(top, "soft"))));
  say("statfs", (await fsp.statfs(top)).bsize > 0, fs.existsSync("/nowhere"));
  for (const attempt of [
    () => fsp.readFile("/none"),
    () => fsp.readdir(file),
    () => fsp.rmdir(top),
  ]) {
    await assert.rejects(attempt, (error) => say("refused", error.code, error.syscall) ?? true);
  }
  await watching(top);
  await fsp.rm(top, { recursive: true });
}

async function watching(top) {
  const stop = new AbortController();
  const events = fsp.watch(top, { signal: stop.signal });
  const first = events.next();
  fs.writeFileSync(path.join(top, "watched"), "");
  say("watch", (await first).value.filename);
  stop.abort();
  const watcher = fs.watchFile(path.join(top, "watched"), { interval: 5 }, () => undefined);
  // Again and again: the first look may come after the first change.
  const changing = setInterval(() => fs.appendFileSync(path.join(top, "watched"), "more"), 10);
  await once(watcher, "change");
  clearInterval(changing);
  fs.unwatchFile(path.join(top, "watched"));
  say("watchFile");
}

async function processes() {
  const ended = spawnSync("sh", ["-c", "cat; echo err >&2; exit 3"], { input: "in" });
  say("spawnSync", ended.status, ended.stdout, ended.stderr.toString().trim());
  say("exec", (await promisify(exec)("echo $((6 * 7))")).stdout.trim());
  const child = spawn("sort", { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end("b\na\n");
  say("spawn", JSON.stringify(await text(child.stdout)));
  const sleeper = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  sleeper.kill("SIGUSR1");
  say("killed", (await once(sleeper, "exit"))[1]);
  assert.throws(() => execFileSync("/nowhere"), { code: "ENOENT" });
  const late = spawnSync("sleep", ["60"], { timeout: 50 });
  say("time-out", late.signal, late.error.code);
  const forked = fork(self, ["forked"], { serialization: "advanced" });
  forked.send({ big: 2n ** 70n, map: new Map([[1, new Date(0)]]) });
  say("forked", JSON.stringify(await once(forked, "message")));
  const left = once(forked, "exit");
  forked.disconnect();
  say("ended", await left);
  const extra = spawn("sh", ["-c", "echo three >&3"], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  say("third pipe", (await text(extra.stdio[3])).trim());
  const signalled = once(process, "SIGUSR2");
  process.kill(process.pid, "SIGUSR2");
  say("signal", (await signalled)[0]);
}

async function threads() {
  const shared = new SharedArrayBuffer(16);
  const cells = new Int32Array(shared);
  const workers = [1, 2, 3, 4].map(
    (number) => new Worker(self, { workerData: { shared, number } }),
  );
  const exits = workers.map((worker) => once(worker, "exit"));
  const answers = await Promise.all(
    workers.map(async (worker) => (await once(worker, "message"))[0]),
  );
  say("workers", answers.join(","), Atomics.load(cells, 0));
  await Promise.all(exits);
  setTimeout(() => Atomics.notify(cells, 1), 5);
  say(
    "waitAsync",
    await Atomics.waitAsync(cells, 1, 0, 30_000).value,
    Atomics.wait(cells, 2, 0, 1),
  );
  const { port1, port2 } = new MessageChannel();
  port1.postMessage({ moved: new ArrayBuffer(8) });
  say("channel", receiveMessageOnPort(port2).message.moved.byteLength);
  port1.close();
  const [here, there] = [new BroadcastChannel("x"), new BroadcastChannel("x")];
  const heard = once(there, "message");
  here.postMessage("broadcast");
  say((await heard)[0].data);
  here.close();
  there.close();
  const failing = new Worker("throw new RangeError('of a worker')", { eval: true });
  say("error", (await once(failing, "error"))[0].message);
  const small = new Worker("const a = []; for (;;) a.push([a])", {
    eval: true,
    resourceLimits: { maxOldGenerationSizeMb: 10 },
  });
  say("error", (await once(small, "error"))[0].code);
}

async function streams() {
  const upper = new Transform({
    transform: (chunk, _, done) => done(null, chunk.toString().toUpperCase()),
  });
  say(
    "pipeline",
    await text(pipeline(Readable.from(["a", "b"]), upper, new PassThrough(), () => undefined)),
  );
  const web = ReadableStream.from(["web"]);
  say("web", (await Array.fromAsync(web.pipeThrough(new TextEncoderStream()))).length);
  const lines = readline.createInterface({ input: Readable.from(["x\ny", "\nz"]) });
  say("readline", (await Array.fromAsync(lines)).join("|"));
  const big = crypto.randomBytes(300_000);
  for (const [name, down, up] of [
    ["gzip", zlib.createGzip(), zlib.createGunzip()],
    ["deflate", zlib.createDeflateRaw(), zlib.createInflateRaw()],
    ["brotli", zlib.createBrotliCompress(), zlib.createBrotliDecompress()],
    ["zstd", zlib.createZstdCompress(), zlib.createZstdDecompress()],
  ]) {
    const out = new PassThrough();
    const whole = out.toArray();
    await piped(Readable.from([big]), down, up, out);
    say(name, Buffer.concat(await whole).equals(big));
  }
  const packed = await new Response(
    new Blob(["abc"]).stream().pipeThrough(new CompressionStream("gzip")),
  ).bytes();
  say("compression", zlib.gunzipSync(packed), zlib.crc32("abc"));
}

/** A server and a client of HTTP need no network when they have two ends of a stream. */
async function httpWithoutNetwork() {
  const [left, right] = duplexPair();
  const server = http.createServer((request, response) =>
    response.end(`${request.method} ${request.url}`),
  );
  server.emit("connection", left);
  const request = http.get("http://here/path", { createConnection: () => right });
  const [response] = await once(request, "response");
  say("http", response.statusCode, await text(response));
  server.close();
}

async function cryptography() {
  for (const name of ["md5", "sha1", "sha256", "sha512", "sha3-256", "blake2b512"])
    say(name, crypto.createHash(name).update("abc").digest("hex").slice(0, 16));
  say("hmac", crypto.createHmac("sha256", "k").update("m").digest("hex").slice(0, 16));
  const key = await promisify(crypto.scrypt)("p", "s", 32);
  say(
    "derived",
    key.toString("hex").slice(0, 8),
    crypto.pbkdf2Sync("p", "s", 9, 4, "sha1").toString("hex"),
  );
  const sealing = crypto.createCipheriv("aes-256-gcm", key, Buffer.alloc(12));
  const sealed = Buffer.concat([sealing.update("secret"), sealing.final()]);
  const opening = crypto.createDecipheriv("aes-256-gcm", key, Buffer.alloc(12));
  opening.setAuthTag(sealing.getAuthTag());
  say("opened", opening.update(sealed), opening.final());
  for (const type of ["ed25519", "rsa", "ec"]) {
    const options = { modulusLength: 1024, namedCurve: "P-256" };
    const pair = await promisify(crypto.generateKeyPair)(type, options);
    const signature = crypto.sign(null, Buffer.from("m"), pair.privateKey);
    say(type, crypto.verify(null, Buffer.from("m"), pair.publicKey, signature));
  }
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("abc"));
  say(
    "web",
    Buffer.from(digest).toString("hex").slice(0, 16),
    crypto.randomUUID().length,
    crypto.randomInt(1),
  );
}

/** (module (memory (export "m") 1) (func (export "add") (param i32 i32) (result i32) …)) */
const WASM = "AGFzbQEAAAABBwFgAn9/AX8DAgEABQMBAAEHCwIDYWRkAAABbQIACgkBBwAgACABags=";

async function engine() {
  const { instance } = await WebAssembly.instantiate(Buffer.from(WASM, "base64"));
  say("wasm", instance.exports.add(40, 2), instance.exports.m.grow(10));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 10, shared: true });
  say("shared", memory.buffer instanceof SharedArrayBuffer);
  say(
    "vm",
    vm.runInNewContext("a + 1", { a: 41 }),
    createRequire(self)("node:util").format("%d", 1),
  );
  assert.throws(() => vm.runInNewContext("for (;;);", {}, { timeout: 20 }), {
    code: "ERR_SCRIPT_EXECUTION_TIMEOUT",
  });
  say(
    "v8",
    v8.deserialize(v8.serialize(new Set([1]))).size,
    v8.getHeapStatistics().heap_size_limit > 1e7,
  );
  const measured = new Promise((resolve) =>
    new PerformanceObserver(resolve).observe({ entryTypes: ["measure"] }),
  );
  performance.mark("a");
  await sleep(5);
  performance.measure("b", "a");
  say("measured", (await measured).getEntries()[0].duration >= 4);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await sleep(20);
  say("loop", delay.count > 0, performance.eventLoopUtilization().utilization > 0);
  const storage = new AsyncLocalStorage();
  say("storage", await storage.run(7, () => sleep(1).then(() => storage.getStore())));
  say(
    "intl",
    new Intl.DateTimeFormat("de", { timeZone: "Asia/Tokyo", dateStyle: "full" }).format(0),
  );
  say(
    "usage",
    process.resourceUsage().maxRSS > 0,
    process.memoryUsage().rss > 0,
    os.availableParallelism() > 0,
  );
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(":memory:");
  database.exec("create table t(a); insert into t values (1), (2)");
  say("sqlite", database.prepare("select sum(a) as s from t").get().s);
  globalThis.gc?.();
}

if (!isMainThread) {
  const cells = new Int32Array(workerData.shared);
  for (let i = 0; i < 1000; i++) Atomics.add(cells, 0, 1);
  parentPort.postMessage(workerData.number * 10);
} else if (process.argv[2] === "forked") {
  process.once("message", ({ big, map }) => process.send(`${big} ${map.get(1).getTime()}`));
} else {
  // A signal or a waking cell that is waited for does not keep the loop alive by itself.
  const alive = setInterval(() => undefined, 1000);
  const parts = [files, processes, threads, streams, httpWithoutNetwork, cryptography, engine];
  for (const part of parts) await part();
  clearInterval(alive);
  say("done");
}
