/** What breaks around the service, and what becomes of jobs and of the service then: docs/faults.md. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  boxProcessesOf,
  childrenOf,
  jobProcessesOf,
  ownWardens,
  processesOf,
  until,
  type WardenOnHost,
} from "../support/host.ts";
import { remainsOf } from "../support/range.ts";
import { type Served, startService } from "./curl.ts";

interface Watched extends Served {
  readonly warden: WardenOnHost;
  node(): number;
  keeper(): number;
  post(path: string, body: object): Promise<Record<string, unknown>>;
  /** A job that says when it runs. */
  begin(code?: string): Promise<string>;
  outcome(id: string): Promise<Record<string, unknown>>;
}

async function start(t: TestContext, ...options: readonly string[]): Promise<Watched> {
  const usual = "--no-sleep --slots 8 --ram-budget 1G --max-running 8".split(" ");
  const service = await startService([...usual, ...options]);
  t.after(() => service.stop());
  const warden = ownWardens().find(({ pid }) => pid === service.pid);
  assert.ok(warden);
  const uids = (pid: number) => processesOf(warden).includes(pid);
  const { url, json } = service;
  const post = (path: string, body: object) =>
    json("-H", "Content-Type: application/json", "-d", JSON.stringify(body), `${url}${path}`);
  const commandOf = (pid: number) => execFileSync("ps", ["-o", "args=", "-p", `${pid}`]).toString();
  const child = (isNode: boolean) =>
    childrenOf(warden.pid).find(
      (pid) => uids(pid) && commandOf(pid).includes("serve-run") === isNode,
    );
  return {
    ...service,
    warden,
    node: () => child(true) ?? 0,
    keeper: () => child(false) ?? 0,
    post,
    begin: async (code = "import time; print('on', flush=True); time.sleep(600)") => {
      const id = String((await post("/submit", { code }))["job_id"]);
      while (!String((await json(`${url}/logs/${id}`))["stdout"]).includes("on")) await sleep(20);
      return id;
    },
    outcome: async (id) => {
      for (;;) {
        const { outcome } = await json(`${url}/status/${id}`);
        if (outcome !== undefined) return outcome as Record<string, unknown>;
        await sleep(20);
      }
    },
  };
}

async function untilItRuns(service: Watched): Promise<void> {
  for (;;) {
    const { output } = await service.post("/run", { code: "print(6 * 7)" });
    if (output === "42\n") return;
    await sleep(50);
  }
}

test("keeper killed: all boxes die, jobs end as sandbox_error, a new keeper serves", async (t) => {
  const service = await start(t);
  const jobs = [await service.begin(), await service.begin()];
  const keeper = service.keeper();
  const boxes = boxProcessesOf(service.warden);
  process.kill(keeper, "SIGKILL");
  for (const id of jobs) assert.equal((await service.outcome(id))["kind"], "sandbox_error");
  await until("boxes die", () => boxes.every((pid) => !processesOf(service.warden).includes(pid)));
  await untilItRuns(service);
  assert.notEqual(service.keeper(), keeper);
  // Twice in a row, sooner than a keeper settles: it still goes on.
  process.kill(service.keeper(), "SIGKILL");
  await untilItRuns(service);
});

test("a box killed from outside: its job ends as sandbox_error, its neighbour runs on", async (t) => {
  const service = await start(t);
  const before = jobProcessesOf(service.warden);
  const hit = await service.begin();
  const [program] = jobProcessesOf(service.warden).filter((pid) => !before.includes(pid));
  const neighbour = await service.begin();
  const boxes = boxProcessesOf(service.warden);
  const box = boxes.find((pid) => childrenOf(pid).includes(program ?? 0));
  assert.ok(box, "the box of the first job");
  process.kill(box, "SIGKILL");
  assert.equal((await service.outcome(hit))["kind"], "sandbox_error");
  assert.equal((await service.json(`${service.url}/status/${neighbour}`))["status"], "running");
  await untilItRuns(service);
  await service.curl("-X", "DELETE", `${service.url}/jobs/${neighbour}`);
});

test("Node killed: the warden starts another, with new boxes; the old jobs are gone", async (t) => {
  const service = await start(t);
  const job = await service.begin();
  const node = service.node();
  const programs = jobProcessesOf(service.warden);
  process.kill(node, "SIGKILL");
  while (
    (await service.curl(`${service.url}/health`).catch(() => "")).includes('"healthy"') === false
  ) {
    await sleep(20);
  }
  assert.notEqual(service.node(), node);
  assert.equal((await service.json(`${service.url}/status/${job}`))["code"], "not_found");
  assert.ok(programs.every((pid) => !processesOf(service.warden).includes(pid)));
  await untilItRuns(service);
});

test("warden killed: everything dies with it, and the next start sweeps what is left", async (t) => {
  const service = await start(t);
  await service.begin();
  process.kill(service.warden.pid, "SIGKILL");
  await until("all processes die", () => processesOf(service.warden).length === 0);
  const others = [];
  let next = await start(t);
  // Ranges are taken in their order; those before it may be somebody else's.
  while (next.warden.range !== service.warden.range && others.push(next) < 8) next = await start(t);
  assert.equal(next.warden.range, service.warden.range);
  await untilItRuns(next);
  const remains = await remainsOf(t, next.warden);
  await next.stop();
  assert.deepEqual(await remains(), []);
});

/** Programs that were started: what waits for a job sleeps as another. */
function busyPrograms({ warden }: Watched): number[] {
  return jobProcessesOf(warden).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("main.py");
    } catch {
      return false;
    }
  });
}

test("SIGTERM: no new jobs, running ones end and are answered, then it ends with 0", async (t) => {
  const service = await start(t);
  const remains = await remainsOf(t, service.warden);
  const answer = service.post("/run", { code: "import time; time.sleep(2); print('done')" });
  await until("it runs", () => busyPrograms(service).length > 0);
  process.kill(service.warden.pid, "SIGTERM");
  let refused: Record<string, unknown> = {};
  while (refused["code"] !== "unhealthy") {
    refused = await service.post("/submit", { code: "print(1)", args: ["x"] });
  }
  assert.ok(Number(refused["retry_after"]) > 0);
  assert.equal((await service.json(`${service.url}/health`))["status"], "unhealthy");
  assert.equal((await answer)["output"], "done\n");
  assert.equal(await service.stop(), 0);
  assert.deepEqual(await remains(), []);
});

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** As the owner of the process, who may always lower a limit of its own. */
function limitDescriptors(pid: number, most: number): void {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const [uid, gid] = ["Uid", "Gid"].map((name) =>
    Number(new RegExp(`^${name}:\t(\\d+)`, "m").exec(status)?.[1]),
  );
  const code = `import resource as r; r.prlimit(${pid}, r.RLIMIT_NOFILE, (${most}, r.prlimit(${pid}, r.RLIMIT_NOFILE)[1]))`;
  execFileSync("/usr/bin/python3", ["-c", code], { uid: uid ?? 0, gid: gid ?? 0 });
}

test("no descriptors left in Node: connections fail, none stays, and it goes on", async (t) => {
  const service = await start(t);
  const { port } = new URL(service.url);
  await untilItRuns(service);
  const before = descriptors(service.node());
  limitDescriptors(service.node(), before + 20);
  const sockets: Socket[] = [];
  for (let count = 0; count < 60; count++) {
    const socket = connect(Number(port), "127.0.0.1").on("error", () => undefined);
    sockets.push(socket);
  }
  await until("all are used", () => descriptors(service.node()) >= before + 19);
  for (const socket of sockets) socket.destroy();
  await until("they are free again", () => descriptors(service.node()) <= before + 2);
  await untilItRuns(service);
});

test("no descriptors left in the keeper: jobs wait or end as sandbox_error, and it goes on", async (t) => {
  const service = await start(t);
  await untilItRuns(service);
  const keeper = service.keeper();
  const before = descriptors(keeper);
  limitDescriptors(keeper, before + 1);
  const ids = [];
  for (let count = 0; count < 6; count++) {
    const code = "import time; time.sleep(0.2); print('on')";
    ids.push(String((await service.post("/submit", { code }))["job_id"]));
  }
  for (const id of ids) {
    assert.match(String((await service.outcome(id))["kind"]), /^(exited|sandbox_error)$/);
  }
  limitDescriptors(keeper, 1024);
  await untilItRuns(service);
  assert.equal(service.keeper(), keeper);
});

test("disk full: what cannot be logged is lost, and nothing else", async (t) => {
  const full = openSync("/dev/full", "w");
  const service = await startService(["--slots", "2", "--ram-budget", "256M"], full);
  t.after(() => service.stop());
  closeSync(full);
  for (let count = 0; count < 20; count++) {
    const type = ["-H", "Content-Type: text/plain"];
    const printed = await service.curl(...type, "-d", "print(6 * 7)", `${service.url}/run`);
    assert.equal(printed, "42\n");
  }
  assert.equal(await service.stop(), 0);
});
