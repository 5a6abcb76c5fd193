/** The Streamlit page: its own tests on a real service, then a person's way through it in a browser. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { useService } from "../e2e/curl.ts";
import { useBrowser } from "../web/browser.ts";
import { FRONTENDS, pageVariables, serve, venvPython } from "./python.ts";

const service = useService("--max-running", "20", "--quota-cpu-seconds", "600");
const browser = useBrowser();

test("the page and the sketch run code on the service, as Streamlit's own tester drives them", async (t) => {
  const env = pageVariables(service());
  const argv = ["-m", "unittest", "discover", "-t", ".", "-s", "tests"];
  const said = await new Promise<string>((resolve) => {
    execFile(
      venvPython(),
      argv,
      { cwd: FRONTENDS, env, maxBuffer: 64 << 20 },
      (_error, _out, err) => resolve(err),
    );
  });
  assert.match(said, /\nOK\n/, said);
  const ran = Number(/^Ran (\d+) tests? in /m.exec(said)?.[1]);
  t.diagnostic(`${ran} Python tests`);
  assert.ok(ran >= 30, `${ran} tests`);
});

async function openPage(t: TestContext): Promise<{ page: Page; complaints: string[] }> {
  const argv = (port: string): string[] => [
    ...["-m", "streamlit", "run", "frontend.py", "--server.headless", "true"],
    ...["--server.port", port, "--server.address", "127.0.0.1"],
  ];
  const env = pageVariables(service());
  const url = await serve(t, venvPython(), argv, { cwd: FRONTENDS, env });
  const context = await browser().newContext({ viewport: { width: 1360, height: 900 } });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss().catch((error: unknown) => complaints.push(String(error)));
  });
  await page.goto(url);
  await page.getByRole("button", { name: /^\W*Run/ }).waitFor();
  return { page, complaints };
}

async function run(page: Page, code: string): Promise<void> {
  await page.getByLabel("Code", { exact: true }).fill(code);
  // The way without a mouse.
  await page.keyboard.press("Control+Enter");
}

test("a person runs a program, sees what it printed, its picture and table, and stores them", async (t) => {
  const { page, complaints } = await openPage(t);
  await page.getByRole("button", { name: /^\W*Run/ }).click();
  await page.getByText("Finished").waitFor();
  await page.getByText("step 5 of 5").waitFor();
  const picture = page.locator("[data-testid=stImage] img");
  await picture.waitFor();
  const width = await picture.evaluate((image) =>
    "naturalWidth" in image ? Number(image.naturalWidth) : 0,
  );
  assert.ok(width > 0);
  const shot = process.env["SANDRUN_TEST_SCREENSHOT"];
  if (shot !== undefined) await page.screenshot({ path: shot });
  const stored = page.waitForEvent("download");
  await page
    .getByRole("button", { name: /Download/ })
    .first()
    .click();
  const download = await stored;
  assert.equal(download.suggestedFilename(), "wave.svg");
  assert.match(readFileSync(await download.path(), "utf8"), /^<svg /);
  await page.getByRole("tab", { name: "wave.csv" }).click();
  await page.locator("[data-testid=stDataFrame]").waitFor();
  assert.deepEqual(complaints, []);
});

test("a program that never ends is seen to print, is stopped, and what it printed stays", async (t) => {
  const { page } = await openPage(t);
  await run(page, "print('begun', flush=True)\nwhile True: pass");
  await page.getByText("begun", { exact: true }).waitFor();
  assert.equal(await page.getByText("Running").count(), 1);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped.").waitFor();
  await page.getByText("begun", { exact: true }).waitFor();
});

/** Each would call `alert` if anything of it became a part of the page. */
const HOSTILE = `
script = "<script>alert(1)</script>"
handler = "<img src=x onerror=alert(2)>"
svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(3)" width="50" height="50">' + script + '<rect width="50" height="50"/></svg>'
print(script, handler, "[x](javascript:alert(4))")
open("a.svg", "w").write(svg)
open("b.png", "w").write(script)
open("c.csv", "w").write(f"{script},b\\n{handler},2\\n")
open("d.html", "w").write(f"<html><body>{script}{handler}")
open(handler, "w").write("x")
open("[x](javascript:alert(5)).md", "w").write(f"{script} [x](javascript:alert(6))")
open("e.svg", "w").write("/etc/hostname")
`;

test("what a hostile program prints and writes runs nothing in the page", async (t) => {
  const { page, complaints } = await openPage(t);
  await run(page, HOSTILE);
  await page.getByText("Finished").waitFor();
  const tabs = page.getByRole("tab");
  assert.equal(await tabs.count(), 7);
  for (const tab of await tabs.all()) {
    await tab.click();
    await page.waitForTimeout(200);
  }
  assert.equal(await page.locator("script", { hasText: "alert" }).count(), 0);
  assert.equal(await page.locator("img[src=x], a[href^=javascript]").count(), 0);
  const sources = await page
    .locator("[data-testid=stImage] img")
    .evaluateAll((images) => images.map((image) => image.getAttribute("src") ?? ""));
  assert.equal(sources.length, 2);
  for (const source of sources) assert.match(source, /^data:image\/svg\+xml;base64,/);
  assert.deepEqual(complaints, []);
});
