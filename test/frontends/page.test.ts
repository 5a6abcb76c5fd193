/** The page of twenty lines, as it stands in examples/frontends but for its server, in a browser. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { useService } from "../e2e/curl.ts";
import { useBrowser } from "../web/browser.ts";
import { pageVariables, serve } from "./python.ts";

const PAGE = fileURLToPath(new URL("../../examples/frontends/index.html", import.meta.url));
const service = useService();
const browser = useBrowser();

test("a page of twenty lines, served by python -m http.server, runs code and shows the output", async (t) => {
  const text = readFileSync(PAGE, "utf8");
  assert.match(text, /'https:\/\/localhost:8443\/run'/);
  const directory = join(service().directory, "page");
  mkdirSync(directory);
  writeFileSync(
    join(directory, "index.html"),
    text.replace("https://localhost:8443", service().url),
  );
  const argv = (port: string): string[] => ["-m", "http.server", port, "--bind", "127.0.0.1"];
  const options = { cwd: directory, env: pageVariables(service()) };
  const url = await serve(t, "/usr/bin/python3", argv, options);
  const context = await browser().newContext({ ignoreHTTPSErrors: true });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(url);
  await page.locator("#code").fill("print(6 * 7)\nprint('<b>not bold</b>')");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("42").waitFor();
  assert.equal(await page.locator("#output").textContent(), "42\n<b>not bold</b>\n");
  assert.equal(await page.locator("b").count(), 0);
});
