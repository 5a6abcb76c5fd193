/**
 * `npm run bench`: what this program promises about speed, measured side by side with what it is
 * compared to, on this machine, in one run. Prints a table; `--json FILE` and `--svg FILE` write
 * the same for docs/performance.md.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { parseArgs } from "node:util";
import { openBoxes } from "./boxes.ts";
import { chartOf } from "./chart.ts";
import { openLauncher } from "./launches.ts";
import { boxRows, memoryRows, peerRows, serviceRows } from "./rows.ts";
import { startService } from "./service.ts";
import { sleepRows } from "./sleeping.ts";
import { type Row, tableOf } from "./table.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    svg: { type: "string" },
  },
});

/** How long is measured, of the full time. */
const effort = values.quick ? 0.2 : 1;
const say = (line: string) => void process.stderr.write(`${line}\n`);
const machine = {
  cores: cpus().length,
  cpu: cpus()[0]?.model ?? "unknown",
  kernel: release(),
  node: process.version,
  loadBefore: loadavg()[0],
};

const rows: Row[] = [];
const launcher = openLauncher();
try {
  say("boxes, asked of the keeper directly");
  const boxes = await openBoxes(launcher);
  rows.push(...(await boxRows(boxes, launcher, effort)));
  rows.push(...(await peerRows(launcher, effort)));
  await boxes.close();
  say("the service, over TLS");
  const service = await startService();
  try {
    rows.push(...(await serviceRows(service, launcher, effort)));
    // Falls asleep while the other one comes to rest.
    const sleeper = values.quick ? undefined : await startService("--sleep");
    try {
      rows.push(...(await memoryRows(service, values.quick)));
      if (sleeper !== undefined) rows.push(...(await sleepRows(sleeper)));
    } finally {
      await sleeper?.stop();
    }
  } finally {
    await service.stop();
  }
} finally {
  launcher.close();
}

const result = { machine: { ...machine, loadAfter: loadavg()[0] }, quick: values.quick, rows };
process.stdout.write(tableOf(rows));
say(`load average before ${machine.loadBefore}, after ${result.machine.loadAfter}`);
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`);
}
if (values.svg !== undefined) writeFileSync(values.svg, chartOf(rows));
