/**
 * Takes the pictures of docs/web.md anew: `npm run screens`. With pngquant on the machine they are
 * a third as large.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { readWebFiles } from "../../src/http/web.ts";
import { FakeOutputs, type FakeRun } from "../fakes/runner.ts";
import { makeRig } from "../fakes/service.ts";
import {
  DIST,
  inPage,
  openPage,
  type PageOptions,
  untilDrawn,
  untilState,
  useBrowser,
} from "./browser.ts";

const PICTURES = fileURLToPath(new URL("../../docs/web", import.meta.url));
const browser = useBrowser();
mkdirSync(PICTURES, { recursive: true });

async function picture(page: Page, name: string): Promise<void> {
  const path = `${PICTURES}/${name}.png`;
  // An address that is not another one at each run.
  const address = "sandrun.example.com";
  await inPage(page, `document.getElementById("server-name").textContent = "${address}"`);
  await inPage(page, `document.getElementById("empty-server").textContent = "${address}"`);
  await page.screenshot({ path, caret: "hide" });
  const quantize = `command -v pngquant >/dev/null || exit 0; pngquant --force --speed 1 --ext .png 48 "$1"`;
  execFileSync("sh", ["-c", quantize, "sh", path]);
}

const POINTS = Array.from({ length: 121 }, (_, x) => Math.sin(x / 8) * Math.exp(-x / 60));
const LINE = POINTS.map((y, x) => `${x * 5},${(120 - y * 100).toFixed(1)}`).join(" ");
const CHART = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 620 240"><rect x="-10" width="620" height="240" fill="#fff7ed"/><path d="M0 120H600" stroke="#d6c3ad"/><polyline points="${LINE}" fill="none" stroke="#b45309" stroke-width="3"/></svg>`;
const TABLE = `x,y\n${POINTS.map((y, x) => `${x},${y.toFixed(4)}`).join("\n")}\n`;

async function open(t: Parameters<typeof openPage>[0], example: string, options: PageOptions) {
  const opened = await openPage(t, browser(), { height: 720, ...options });
  await opened.page.locator("#server[data-state=there]").waitFor();
  await opened.page.locator("#examples").selectOption({ label: example });
  const start = async (): Promise<FakeRun> => {
    await opened.page.locator("#run").click();
    const run = await opened.rig.runner.next();
    run.start();
    return run;
  };
  return { ...opened, start };
}

test("finished, with a chart and a table", async (t) => {
  const { page, start } = await open(t, "Draw a chart, write a table (Python)", {});
  const run = await start();
  run.print("wave.csv and wave.svg are below\n");
  run.end({ outputs: new FakeOutputs({ "wave.csv": TABLE, "wave.svg": CHART }) });
  await page.locator("#outputs img").waitFor();
  await untilDrawn(page);
  await picture(page, "finished");
});

test("running, dark", async (t) => {
  const example = "Output as it happens, in colour (Bash)";
  const { page, start } = await open(t, example, { dark: true });
  const run = await start();
  for (const step of [1, 2, 3, 4, 5, 6])
    run.print(`\x1b[${31 + (step % 6)}m■\x1b[0m step ${step} of 10\n`);
  await page.locator("#terminal").getByText("step 6").waitFor();
  await picture(page, "running");
});

test("waiting in the queue", async (t) => {
  const rig = makeRig({ web: readWebFiles(DIST), maxRunning: 1 });
  const { page } = await open(t, "Hello from the box (Python)", { rig });
  const init = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: '{"code":""}',
  };
  await inPage(page, `fetch("/submit", ${JSON.stringify(init)}).then(() => 0)`);
  await page.locator("#run").click();
  await page.locator("#facts").filter({ hasText: "waiting" }).waitFor();
  await picture(page, "waiting");
});

test("out of memory, and a server that does not answer", async (t) => {
  const { page, start } = await open(t, "Meet a limit: memory (Python)", {});
  const run = await start();
  run.print("8 MB\n16 MB\n24 MB\n32 MB\n40 MB\n");
  const usage = { cpuMs: 61, memoryPeakBytes: 64 << 20, wallMs: 90 };
  run.end({ outcome: { kind: "out_of_memory" }, usage });
  await untilState(page, /^Out of memory/);
  await page.locator("#server").click();
  await page.locator("#server-url").fill("https://nobody.example:8443");
  await page.getByRole("button", { name: "Use this server" }).click();
  await page.locator("#server[data-state=gone]").waitFor();
  await picture(page, "no-answer");
});

test("a program asks, on a phone", async (t) => {
  const options = { width: 390, height: 760 };
  const { page, start } = await open(t, "Ask the person (Python)", options);
  const run = await start();
  run.print("A number from 1 to 100? ");
  await page.getByLabel("Input for the program").fill("50");
  await page.keyboard.press("Enter");
  await page.locator("#terminal .page").waitFor();
  run.print("higher\nA number from 1 to 100? ");
  await page.getByLabel("Input for the program").fill("75");
  await picture(page, "phone");
});
