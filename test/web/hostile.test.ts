/** Output of a program is hostile: it must run nothing, show nothing false and not stop the page. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { FakeOutputs } from "../fakes/runner.ts";
import { consoleText, inPage, openPage, untilDrawn, untilState, useBrowser } from "./browser.ts";

const browser = useBrowser();

/** Tells everybody who listens that it ran, in each way that it can. */
const SCRIPT = "top.ran = 1; parent.ran = 1; document.title = 'ran'; localStorage.ran = 1";
const HTML = `<script>${SCRIPT}</script><img src=x onerror="${SCRIPT}"><svg onload="${SCRIPT}">`;
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="${SCRIPT}"><script>${SCRIPT}</script>
<foreignObject width="9" height="9"><body xmlns="http://www.w3.org/1999/xhtml"><script>${SCRIPT}</script></body></foreignObject></svg>`;

/** Scripts in the page count: one that came out of a program would be one more. */
function whatRan(page: Page): Promise<unknown> {
  return inPage(
    page,
    '["ran" in window, document.title, localStorage.length, document.scripts.length]',
  );
}

test("S22: hostile HTML and SVG run nothing: printed, as files, or opened in a tab of their own", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await page.locator("#server[data-state=there]").waitFor();
  const before = await whatRan(page);
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  run.print(HTML);
  run.print(HTML, "stderr");
  const names = ["a.svg", "b.html", "c.csv", `<img src=x onerror="${SCRIPT}">.svg`, "d.png"];
  const outputs = new FakeOutputs(
    Object.fromEntries(names.map((name) => [name, name.endsWith("svg") ? SVG : HTML])),
  );
  run.end({ outputs });
  await page.getByRole("heading", { name: "5 output files" }).waitFor();
  for (const toggle of await page.locator(".file-name").all()) {
    if ((await toggle.getAttribute("aria-expanded")) === "false") await toggle.click();
  }
  await page.locator("#outputs img").nth(1).waitFor();
  await untilDrawn(page);
  assert.deepEqual(await whatRan(page), before);
  assert.equal(await consoleText(page), HTML + HTML);
  // The picture's address, opened as a page: `data:` has an origin of nobody's, or is not opened.
  for (const image of await page.locator("#outputs img").all()) {
    const address = (await image.getAttribute("src")) ?? "";
    assert.match(address, /^data:image\/svg\+xml;base64,/);
    const tab = await page.context().newPage();
    const ran = tab.waitForEvent("console", { timeout: 500 }).catch(() => undefined);
    await tab.goto(address).catch(() => undefined);
    await ran;
    await tab.close();
  }
  assert.deepEqual(await whatRan(page), before);
});

test("what a job made, opened at the service's own address, is no page", async (t) => {
  const { page, rig } = await openPage(t, browser());
  const base = `http://127.0.0.1:${rig.port}`;
  const submitted = await fetch(`${base}/submit`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code: "1" }),
  });
  const { job_id: id } = (await submitted.json()) as { job_id: string };
  const run = await rig.runner.next();
  run.start();
  run.print(HTML);
  run.end({ outputs: new FakeOutputs({ "a.html": HTML, "a.svg": SVG }) });
  for (const path of [`/logs/${id}`, `/download/${id}/a.html`, `/download/${id}/a.svg`]) {
    const tab = await page.context().newPage();
    const downloads: string[] = [];
    tab.on("download", (download) => downloads.push(download.suggestedFilename()));
    await tab.goto(`${base}${path}`).catch(() => undefined);
    assert.equal(await tab.title(), "", path);
    await tab.close();
  }
  assert.equal(await inPage(page, "localStorage.length"), 0);
});

test("S22: the policy refuses markup and scripts even from the page's own code", async (t) => {
  const { page } = await openPage(t, browser());
  const refused = await inPage<string[]>(
    page,
    `[
      () => { document.body.innerHTML = "<b>x</b>"; },
      () => new DOMParser().parseFromString("<b>x</b>", "text/html"),
      () => { document.createElement("script").src = "data:,1"; },
      () => trustedTypes.createPolicy("mine", {}),
    ].map((attempt) => {
      try {
        attempt();
        return "allowed";
      } catch (error) {
        return error instanceof TypeError ? "refused" : String(error);
      }
    })`,
  );
  assert.deepEqual(new Set(refused), new Set(["refused"]));
});

test("ten megabytes of colour changes leave a page that answers", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await page.locator("#server[data-state=there]").waitFor();
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  for (let count = 0; count < 20; count += 1)
    run.print("\x1b[1m\x1b[31ma\x1b[22mb\x1b[0m".repeat(22_000));
  run.print(`\n${"\x1b[".repeat(50_000)}${"\x1b]0;".repeat(50_000)}\nthe end\n`);
  run.end();
  await untilState(page, /^Finished$/);
  await page.locator("#terminal").getByText("the end").waitFor({ timeout: 60_000 });
  const counts = await inPage<number>(page, 'document.querySelectorAll("#terminal *").length');
  assert.ok(counts < 60_000, `${counts} elements`);
  await page.locator("#share").click();
  await page.locator("#share-dialog[open]").waitFor();
});

test("a picture of endless parts is not drawn unasked, and the page goes on", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await page.locator("#server[data-state=there]").waitFor();
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  const levels = Array.from(
    { length: 11 },
    (_, at) => `<g id="a${at + 1}">${`<use href="#a${at}"/>`.repeat(10)}</g>`,
  );
  const defs = `<defs><g id="a0"><rect width="1" height="1"/></g>${levels.join("")}</defs>`;
  const endless = `<svg xmlns="http://www.w3.org/2000/svg">${defs}<use href="#a11"/></svg>`;
  run.end({ outputs: new FakeOutputs({ "a.svg": endless, "b.txt": "text" }) });
  await page.getByRole("button", { name: "Draw it all the same" }).waitFor();
  await page.getByRole("button", { name: /^b\.txt/ }).click();
  await page.locator("#outputs pre").getByText("text").waitFor();
  assert.equal(await page.locator("#outputs img").count(), 0);
});

test("names that would show something else are shown as what they are", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await page.locator("#server[data-state=there]").waitFor();
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  run.end({ outputs: new FakeOutputs({ "report\u202egnp.exe": "x" }) });
  const name = await page.locator(".file-name .path").textContent();
  assert.equal(name, "report\\u202egnp.exe");
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Download report/ }).click();
  assert.equal((await download).suggestedFilename(), "report_gnp.exe");
});
