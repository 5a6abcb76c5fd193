/** By keyboard, with a screen reader, on a phone; and how much is loaded first. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { FakeOutputs } from "../fakes/runner.ts";
import { DIST, focusedId, inPage, openPage, untilState, useBrowser } from "./browser.ts";

const browser = useBrowser();
const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

/** Rule and element of everything that axe finds. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return inPage(
    page,
    `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => id + ": " + html + " " + failureSummary)))`,
  );
}

const COLOURS = Array.from(
  { length: 16 },
  (_, n) =>
    `\x1b[${n < 8 ? 30 + n : 82 + n}mtext\x1b[0m \x1b[${n < 8 ? 40 + n : 92 + n}mground\x1b[0m`,
).join(" ");

for (const { name, dark, width } of [
  { name: "light", dark: false, width: 1280 },
  { name: "dark", dark: true, width: 1280 },
  { name: "light on a phone", dark: false, width: 390 },
]) {
  test(`axe finds nothing in any state: ${name}`, async (t) => {
    const { page, rig } = await openPage(t, browser(), { dark, width });
    await page.locator("#server[data-state=there]").waitFor();
    assert.deepEqual(await findings(page), [], "at the start");
    await page.locator("#more summary").click();
    await page.locator("#pick-files").setInputFiles([
      { name: "a.csv", mimeType: "text/csv", buffer: Buffer.from("x") },
      { name: "b.txt", mimeType: "text/plain", buffer: Buffer.from("x") },
    ]);
    await page.locator("#run").click();
    const run = await rig.runner.next();
    run.start();
    run.print(`${COLOURS}\n\x1b[2mdim\x1b[0m \x1b[7minverse\x1b[0m\n`);
    run.print("an error\n", "stderr");
    await page.locator("#terminal").getByText("an error").waitFor();
    assert.deepEqual(await findings(page), [], "while it runs");
    run.end({ outputs: new FakeOutputs({ "a.csv": "x,y\n1,2\n", "b.txt": "text" }) });
    await untilState(page, /^Finished$/);
    await page.locator("#outputs td").first().waitFor();
    assert.deepEqual(await findings(page), [], "at the end");
    await page.locator("#server").click();
    assert.deepEqual(await findings(page), [], "in a dialog");
  });
}

test("all of it is reached and used by keyboard", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await page.locator("#server[data-state=there]").waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await focusedId(page), "skip");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("print(1)");
  // Escape, then Tab leaves the editor: Tab alone indents.
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  assert.equal(await focusedId(page), "add-files");
  await page.locator("#run").focus();
  await page.keyboard.press("Enter");
  const run = await rig.runner.next();
  assert.equal(run.code, "print(1)");
  run.start();
  await untilState(page, /^Running$/);
  assert.equal(await focusedId(page), "stop");
  await page.keyboard.press("Enter");
  await untilState(page, /^Stopped/);
  assert.equal(await focusedId(page), "run");
});

test("a phone shows the page without scrolling sideways", async (t) => {
  const { page } = await openPage(t, browser(), { width: 360, height: 740 });
  await page.locator("#server[data-state=there]").waitFor();
  const [content, window] = await inPage<[number, number]>(
    page,
    "[document.documentElement.scrollWidth, innerWidth]",
  );
  assert.equal(content, window);
});

test("the first load is at most 200 KB", async (t) => {
  const { page } = await openPage(t, browser());
  await page.locator("#server[data-state=there]").waitFor();
  await page.locator(".cm-content").waitFor();
  const loaded = await inPage<string[]>(
    page,
    'performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname)',
  );
  const sent = await inPage<number>(
    page,
    `["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type))
      .reduce((sum, { transferSize }) => sum + transferSize, 0)`,
  );
  const own = ["/index.html", ...new Set(loaded)].filter((path) => path !== "/environments");
  const bytes = own.map((path) => gzipSync(readFileSync(join(DIST, path)), { level: 9 }).length);
  const all = bytes.reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${all} bytes in ${own.length} files`);
  assert.ok(own.length >= 4, own.join(" "));
  assert.ok(all <= 200_000, `${all} bytes`);
  assert.ok(sent <= 200_000, `${sent} bytes with headers as they were sent`);
});
