/** The page as the service itself serves it, with real boxes behind it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { consoleText, inPage, untilDrawn, untilState, useBrowser, writeCode } from "./browser.ts";

const PROGRAM = fileURLToPath(new URL("../../sandrun", import.meta.url));
const browser = useBrowser();

async function serve(t: TestContext): Promise<string> {
  const words = ["serve", "--web", "--behind-proxy", "--port", "0"];
  const child = spawn(PROGRAM, words, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  let said = "";
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const found = /listening on (http:\/\/\S+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once("exit", () => reject(new Error(`the service ended: ${said}`)));
  });
  while ((await fetch(`${url}/health`)).status !== 200) await sleep(50);
  return url;
}

test("a program runs in a box, its picture is shown and the service has forgotten it", async (t) => {
  const url = await serve(t);
  const context = await browser().newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(url);
  await page.locator("#server[data-state=there]").waitFor();
  await page.locator("#examples").selectOption({ label: "Draw a chart, write a table (Python)" });
  await page.locator("#run").click();
  await untilState(page, /^Finished$/);
  assert.equal(await consoleText(page), "wave.csv and wave.svg are below");
  await page.getByRole("heading", { name: "2 output files" }).waitFor();
  await page.locator("#outputs img").waitFor();
  await untilDrawn(page);
  const width = 'document.querySelector("#outputs img").naturalWidth';
  assert.ok((await inPage<number>(page, width)) > 0);
  await writeCode(page, "import time\nwhile True: print('tick', flush=True); time.sleep(0.05)");
  await page.locator("#run").click();
  await page.locator("#terminal").getByText("tick").first().waitFor();
  await page.locator("#stop").click();
  await untilState(page, /^Stopped/);
  await page.locator("#run").waitFor();
  await writeCode(page, "print('hi ' + input('name? '))");
  await page.locator("#run").click();
  await page.locator("#terminal").getByText("name?").waitFor();
  await page.getByLabel("Input for the program").fill("Ada");
  await page.keyboard.press("Enter");
  await untilState(page, /^Finished$/);
  assert.equal(await consoleText(page), "name? Ada\nhi Ada");
  const { your_quota: mine } = (await (await fetch(`${url}/stats`)).json()) as {
    your_quota: { running: number };
  };
  assert.equal(mine.running, 0);
});
