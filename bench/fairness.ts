/**
 * What others can do to a caller of a real service: from request to answer of small jobs, one after
 * the other, alone and beside hogs, sleepers, kept results and slow uploads. Writes the table of
 * docs/fairness.md.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startService } from "../test/e2e/curl.ts";
import { AsCaller } from "../test/support/asCaller.ts";
import { quantile } from "./numbers.ts";

const SLOTS = 8;
const JOBS = 20;
const MIB = 2 ** 20;

type Served = Awaited<ReturnType<typeof startService>>;

interface Measured {
  readonly what: string;
  readonly firstMs: number;
  readonly medianMs: number;
  readonly mostMs: number;
}

async function measure(what: string, one: AsCaller, upload = 0): Promise<Measured> {
  const files = { "data.bin": { base64: Buffer.alloc(upload).toString("base64") } };
  const times: number[] = [];
  for (let i = 0; i < JOBS; i++) {
    const began = performance.now();
    const { outcome } = await one.run("print(6 * 7)", upload === 0 ? {} : { files });
    times.push(performance.now() - began);
    if (outcome?.kind !== "exited") throw new Error(`a job ended as ${outcome?.kind}`);
  }
  const measured = {
    what,
    firstMs: times[0] ?? Number.NaN,
    medianMs: quantile(times, 0.5),
    mostMs: Math.max(...times),
  };
  process.stdout.write(`${rowOf(measured)}\n`);
  return measured;
}

function rowOf({ what, firstMs, medianMs, mostMs }: Measured): string {
  return `| ${what} | ${firstMs.toFixed(0)} | ${medianMs.toFixed(0)} | ${mostMs.toFixed(0)} |`;
}

/** As many running jobs of each caller as it may have. */
async function occupy(callers: readonly AsCaller[], code: string): Promise<() => Promise<void>> {
  const held: [AsCaller, string][] = [];
  for (const one of callers) {
    for (let i = 0; i < 2; i++) held.push([one, await one.submit(code, { timeout: 600 })]);
  }
  for (const [one, id] of held) while ((await one.status(id)).status === "queued") await sleep(20);
  return async () => {
    for (const [one, id] of held) await one.destroy(id);
  };
}

async function measureAll(served: Served): Promise<readonly Measured[]> {
  const callers = (network: number, count: number) =>
    Array.from({ length: count }, (_, i) => new AsCaller(served, `192.0.${network}.${i}`));
  const [one] = callers(1, 1);
  if (one === undefined) throw new Error("nobody asks");
  const rows = [await measure("alone", one), await measure("alone, 200 kB each", one, 200_000)];
  const hogs = await occupy(callers(2, 1), "while True: pass");
  rows.push(await measure("beside 2 CPU hogs of one caller", one));
  await hogs();
  const more = await occupy(callers(3, 3), "while True: pass");
  rows.push(await measure("beside 6 CPU hogs of three callers", one));
  await more();
  const asleep = await occupy(callers(4, SLOTS / 2), "import time\ntime.sleep(600)");
  rows.push(await measure(`while ${SLOTS} sleepers hold all ${SLOTS} slots`, one));
  await asleep();
  for (const keeper of callers(5, 4)) {
    for (let i = 0; i < 2; i++) await keeper.run(`open('big', 'wb').write(bytes(${20 * MIB}))`);
  }
  const uploads = [];
  for (const slow of callers(6, 32))
    for (let i = 0; i < 2; i++) uploads.push(await slow.beginUpload(MIB));
  rows.push(
    await measure("while results are kept and 64 uploads send nothing, 200 kB each", one, 200_000),
  );
  for (const socket of uploads) socket.destroy();
  return rows;
}

const served = await startService([
  ...["--trusted-proxy", "127.0.0.0/8", "--slots", `${SLOTS}`, "--ram-budget", "2G"],
]);
try {
  const rows = await measureAll(served);
  const table = [
    "| | first ms | median ms | most ms |",
    "|---|---:|---:|---:|",
    ...rows.map(rowOf),
  ].join("\n");
  const path = fileURLToPath(new URL("../docs/fairness.md", import.meta.url));
  const pattern = /(<!-- real -->\n)[\s\S]*?(<!-- end -->)/;
  writeFileSync(path, readFileSync(path, "utf8").replace(pattern, `$1${table}\n$2`));
} finally {
  await served.stop();
}
