/**
 * `npm run bench:long`: very many jobs in a row, 100,000 unless the argument says another count, and
 * whether anything grows: memory, descriptors, mounts, control groups, the time that a job takes.
 * Ends with 1 when something did.
 *
 * Twice it is compared: along the way, the second tenth of the jobs with the last one; and at rest,
 * before the jobs and after them, when Node has been replaced and whatever waits for work is gone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ownWardens, type WardenOnHost } from "../test/support/host.ts";
import { type Holding, holdingOf } from "./holding.ts";
import { growthRows, latencyRows, restRows } from "./longRows.ts";
import { runMany } from "./many.ts";
import { startService } from "./service.ts";
import { reaches, tableOf } from "./table.ts";

const { values, positionals } = parseArgs({
  options: { minutes: { type: "string", default: "60" } },
  allowPositionals: true,
});
const count = Number(positionals[0] ?? 100_000);
const deadlineMs = performance.now() + Number(values.minutes) * 60_000;
if (!(count >= 100)) throw new Error("the count of jobs is a number, 100 or more");

const say = (line: string) => void process.stderr.write(`${line}\n`);
const CONNECTIONS = 8;
const FIRST_JOBS = 500;
/** How often is looked, of all jobs. */
const LOOKS = 100;

/** A Node that had jobs is replaced after a minute without one. */
async function untilAtRest(warden: WardenOnHost): Promise<Holding> {
  const { nodePid } = holdingOf(warden);
  for (;;) {
    await sleep(500);
    const now = holdingOf(warden);
    if (now.nodePid !== nodePid && now.counts.processes === 3) return now;
    if (performance.now() > deadlineMs) throw new Error("the service did not come to rest in time");
  }
}

// What is made for a slot once stays: of so few all are soon used.
const service = await startService("--slots", "16");
try {
  const warden = ownWardens().find(({ pid }) => pid === service.pid);
  if (warden === undefined) throw new Error("the warden cannot be seen");
  say("some jobs first, then rest");
  await runMany({
    port: service.port,
    count: FIRST_JOBS,
    connections: 2 * CONNECTIONS,
    deadlineMs,
  });
  const before = await untilAtRest(warden);
  say(`${count} jobs`);
  const looks: Holding[] = [];
  const every = Math.ceil(count / LOOKS);
  const latencies = await runMany({
    port: service.port,
    count,
    connections: CONNECTIONS,
    deadlineMs,
    onDone: (done) => {
      if (done % every !== 0) return;
      looks.push(holdingOf(warden));
      if (done % (10 * every) === 0) say(`${done} done`);
    },
  });
  say("rest");
  const after = await untilAtRest(warden);
  const rows = [...latencyRows(latencies), ...growthRows(looks), ...restRows(before, after)];
  process.stdout.write(tableOf(rows));
  if (rows.some((row) => reaches(row) === false)) process.exitCode = 1;
} finally {
  await service.stop();
}
