/**
 * A job's bytes carry markers, and the whole memory of every process of the service is searched for
 * them: while jobs run (or the search would find nothing anywhere), after their end, and once
 * the service had nothing to do. As root, since nobody else may read that memory.
 *
 * The clients are in this process, whose memory is not searched, and give no marker to a file or to
 * another program's arguments.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, type RequestOptions, request } from "node:https";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  allPids,
  boxProcessesOf,
  childrenOf,
  groupsOf,
  jobProcessesOf,
  ownWardens,
  processesOf,
  until,
  type WardenOnHost,
} from "../support/host.ts";
import { countInMemory, filesWith, memoryPlaces } from "../support/memory.ts";
import { type Served, startService } from "./curl.ts";

const KINDS = ["code", "stdin", "arg", "variable", "name", "content", "printed", "made"] as const;
type Kind = (typeof KINDS)[number];

/** What is printed and made is in no request: the program turns it round. */
const markers = Object.fromEntries(
  KINDS.map((kind) => [kind, randomBytes(12).toString("hex")]),
) as Record<Kind, string>;
const turned = (kind: Kind) => [...markers[kind]].reverse().join("");

const startedAtMs = Date.now();
let service: Served;
let warden: WardenOnHost;

before(async () => {
  service = await startService(["--no-sleep", "--slots", "4", "--ram-budget", "1G"]);
  const found = ownWardens().find(({ pid }) => pid === service.pid);
  assert.ok(found);
  warden = found;
});
after(() => service?.stop());

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** With a connection of its own, unless an agent keeps one. */
function ask(path: string, options: RequestOptions = {}, body?: string | Buffer): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const ca = readFileSync(join(service.directory, "cert.pem"));
  const asked = request(`${service.url}${path}`, { agent: false, ca, ...options }, (answer) => {
    const chunks: Buffer[] = [];
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    answer.on("end", () => {
      resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString("latin1") });
    });
    answer.on("error", reject);
  });
  asked.on("error", reject);
  asked.end(body);
  return promise;
}

function post(path: string, type: string, body: string | Buffer): Promise<Answer> {
  return ask(path, { method: "POST", headers: { "Content-Type": type } }, body);
}

/** Holds all markers in its memory; one that stays waits to be cancelled. */
function program(stays: boolean): string {
  return [
    "import os, sys, time",
    `held = ["${markers.code}", sys.stdin.read(), sys.argv[1], os.environ["V"]]`,
    "held += [open(name).read() + name for name in os.listdir()]",
    `made = "${turned("made")}"[::-1]`,
    "open(made, 'w').write(made * 1000)",
    `print("${turned("printed")}"[::-1], flush=True)`,
    `print("${turned("printed")}"[::-1], file=sys.stderr, flush=True)`,
    stays ? "time.sleep(600)" : "",
  ].join("\n");
}

function jsonJob(stays: boolean): string {
  return JSON.stringify({
    code: program(stays),
    stdin: markers.stdin,
    args: [markers.arg],
    env: { V: markers.variable },
    files: { [markers.name]: markers.content },
  });
}

function formJob(stays: boolean): Buffer {
  const manifest = {
    entrypoint: "main.py",
    stdin: markers.stdin,
    args: [markers.arg],
    env: { V: markers.variable },
  };
  const part = (name: string, file: string, text: string) =>
    `--edge\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${text}\r\n`;
  return Buffer.from(
    [
      part("manifest", "", JSON.stringify(manifest)),
      part("files", '; filename="main.py"', program(stays)),
      part("files", `; filename="${markers.name}"`, markers.content),
      "--edge--\r\n",
    ].join(""),
  );
}

const FORM = "multipart/form-data; boundary=edge";
const JSON_TYPE = "application/json";

async function submit(type: string, body: string | Buffer): Promise<string> {
  const { status, text } = await post("/submit", type, body);
  assert.equal(status, 202, text);
  return (JSON.parse(text) as { job_id: string }).job_id;
}

async function untilPrinted(id: string): Promise<void> {
  for (;;) {
    const { text } = await ask(`/logs/${id}`);
    if (text.includes(markers.printed)) return;
    assert.match((await ask(`/status/${id}`)).text, /"status":"(queued|running)"/, text);
    await sleep(20);
  }
}

async function untilEnded(id: string): Promise<void> {
  while (/"status":"(queued|running)"/.test((await ask(`/status/${id}`)).text)) await sleep(20);
}

/** How often each kind stands there, as bytes and as a string of two bytes a character. */
function search(pids: readonly number[]): Record<Kind, number> {
  const counts = KINDS.map((kind) => {
    const forms = [Buffer.from(markers[kind]), Buffer.from(markers[kind], "utf16le")];
    const each = pids.flatMap((pid) => forms.map((form) => countInMemory(pid, form)));
    return [kind, each.reduce((sum, count) => sum + count, 0)] as const;
  });
  return Object.fromEntries(counts) as Record<Kind, number>;
}

const NOTHING = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;

function isNothing(counts: Record<Kind, number>): boolean {
  return KINDS.every((kind) => counts[kind] === 0);
}

function nodes(): number[] {
  return childrenOf(warden.pid).filter((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("serve-run"),
  );
}

function keepers(): number[] {
  return childrenOf(warden.pid).filter((pid) => !nodes().includes(pid));
}

/** In the names and contents of files in RAM, wherever they are mounted, and where one might write. */
function files(): string[] {
  const wanted = KINDS.map((kind) => Buffer.from(markers[kind]));
  const places = ["/tmp", "/var/tmp", "/run", "/dev/shm", ...memoryPlaces()];
  return places.flatMap((place) => filesWith(place, wanted, startedAtMs));
}

function tell(t: TestContext, where: string, counts: Record<Kind, number>): void {
  const words = KINDS.map((kind) => `${kind} ${counts[kind]}`);
  t.diagnostic(`${where}: ${words.join(", ")}`);
}

test("S21: warden and keeper see nothing of a job; what Node and the box hold can be found", async (t) => {
  const ids = [await submit(JSON_TYPE, jsonJob(true)), await submit(FORM, formJob(true))];
  for (const id of ids) await untilPrinted(id);
  assert.equal(boxProcessesOf(warden).length >= ids.length, true);
  const inJobs = search(jobProcessesOf(warden));
  const inNode = search(nodes());
  tell(t, "while they run, in the programs", inJobs);
  tell(t, "while they run, in Node", inNode);
  for (const kind of KINDS) assert.ok(inJobs[kind] > 0, `${kind} is in the programs`);
  for (const kind of ["stdin", "arg", "printed"] as const) assert.ok(inNode[kind] > 0, kind);
  assert.ok(files().length >= 4, "what the programs wrote can be found");
  assert.deepEqual(search([warden.pid]), NOTHING);
  assert.deepEqual(search(keepers()), NOTHING);
  for (const id of ids) assert.equal((await ask(`/jobs/${id}`, { method: "DELETE" })).status, 204);
});

test("S21: after their end nothing of jobs is in warden, keeper, boxes, file systems or the log", async (t) => {
  const kept = await submit(JSON_TYPE, jsonJob(false));
  const loaded = await submit(FORM, formJob(false));
  const failed = await submit(JSON_TYPE, jsonJob(false).replace("import os", "import os, nosuch"));
  const ran = await post("/run", JSON_TYPE, jsonJob(false));
  const refused = await post("/run", JSON_TYPE, jsonJob(false).replace("args", "argz"));
  const plain = await post("/run", "text/plain", `print("${markers.code}")`);
  assert.deepEqual([ran.status, refused.status, plain.status], [200, 400, 200]);
  assert.ok(ran.text.includes(markers.printed) && plain.text.includes(markers.code));
  for (const id of [kept, loaded, failed]) await untilEnded(id);
  assert.ok((await ask(`/logs/${kept}`)).text.includes(markers.printed));
  assert.ok((await ask(`/outputs/${kept}`)).text.includes(markers.made));
  assert.equal((await ask(`/download/${loaded}`)).status, 200);
  for (const id of [kept, failed]) await ask(`/jobs/${id}`, { method: "DELETE" });
  for (const id of [kept, loaded, failed]) assert.equal((await ask(`/status/${id}`)).status, 404);

  // Boxes that wait for a job stay; what has run one dies a moment after its end was told.
  const others = () => processesOf(warden).filter((pid) => !nodes().includes(pid));
  await until("the jobs are gone", () => isNothing(search(others())));
  assert.deepEqual(search([warden.pid, ...others()]), NOTHING);
  assert.deepEqual(files(), []);
  for (const kind of KINDS) assert.ok(!service.log().includes(markers[kind]), kind);
  for (const id of [kept, loaded, failed]) assert.ok(!service.log().includes(id));
  tell(t, "after their end, in Node", search(nodes()));
});

test("S21: an idle Node is replaced: nothing of a job is left, and no request is lost on the way", async (t) => {
  const [first] = nodes();
  assert.ok(first !== undefined);
  // A connection that is never idle must not put it off.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const asked: Answer[] = [];
  let longestMs = 0;
  const askTwice = async () => {
    const begunAt = performance.now();
    asked.push(await ask("/health", { agent }), await ask("/health"));
    longestMs = Math.max(longestMs, performance.now() - begunAt);
    await sleep(5);
  };
  while (nodes().includes(first)) await askTwice();
  for (let time = 0; time < 20; time++) await askTwice();
  agent.destroy();
  t.diagnostic(`${asked.length} requests meanwhile, half of them on a kept connection`);
  t.diagnostic(`the slowest pair took ${Math.round(longestMs)} ms`);
  assert.deepEqual(new Set(asked.map(({ status }) => status)), new Set([200]));

  const [second] = nodes();
  assert.ok(second !== undefined && !allPids().includes(first));
  assert.deepEqual(
    search([warden.pid, ...childrenOf(warden.pid), ...processesOf(warden)]),
    NOTHING,
  );
  assert.equal((await post("/run", "text/plain", "print(6 * 7)")).text, "42\n");
  assert.deepEqual(nodes(), [second]);
});

test("S5: nothing of the service, its boxes and its jobs goes to swap", () => {
  const values = groupsOf(warden).flatMap((group) => [
    // Of control groups 2 a limit holds for all below; of the older ones each has its own word.
    ...textOf(`${group}/memory.swap.max`),
    ...["service", "boxes", "jobs"].flatMap((name) => textOf(`${group}/${name}/memory.swappiness`)),
  ]);
  assert.ok(values.length > 0);
  assert.deepEqual(new Set(values), new Set(["0"]));
});

function textOf(path: string): string[] {
  try {
    return [readFileSync(path, "utf8").trim()];
  } catch {
    // A file of the other version of control groups.
    return [];
  }
}
