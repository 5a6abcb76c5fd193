import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { createTarPacker } from "modern-tar";
import type { Download, Page } from "playwright-core";
import { readWebFiles } from "../../src/http/web.ts";
import { linkOf } from "../../web/src/link.ts";
import { FakeOutputs } from "../fakes/runner.ts";
import { makeRig } from "../fakes/service.ts";
import {
  consoleText,
  DIST,
  inPage,
  openPage,
  untilDrawn,
  untilState,
  useBrowser,
  writeCode,
} from "./browser.ts";

const browser = useBrowser();

const inputNames = (files: readonly { readonly path: string }[]) =>
  files.map(({ path }) => path).sort();

async function savedText(download: Promise<Download>): Promise<string> {
  return readFile(await (await download).path(), "utf8");
}

/** Waits until the page knows what the server offers. */
async function untilConnected(page: Page): Promise<void> {
  await page.locator("#server[data-state=there]").waitFor();
}

test("a program runs: what it prints comes while it runs, then its outcome and what it used", async (t) => {
  const { page, rig, complaints } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#interpreter").selectOption("bash");
  await writeCode(page, "echo hello");
  await page.keyboard.press("Control+Enter");
  const run = await rig.runner.next();
  assert.equal(run.spec.manifest.interpreter, "bash");
  assert.equal(run.code, "echo hello");
  run.start();
  await untilState(page, /^Running$/);
  run.print("first\n");
  await page.locator("#terminal").getByText("first").waitFor();
  run.print("second\n", "stderr");
  await page.locator("#terminal .stderr").getByText("second").waitFor();
  assert.equal(await page.locator("#run").isVisible(), false);
  run.end();
  await untilState(page, /^Finished$/);
  assert.match(
    (await page.locator("#facts").textContent()) ?? "",
    /0\.25 s time.*0\.12 s CPU.*8\.0 MB/,
  );
  assert.deepEqual(complaints, []);
});

test("the server has forgotten a job as soon as the page has it all", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  for (const outputs of [new FakeOutputs(), new FakeOutputs({ "a.txt": "A" })]) {
    const gone = page.waitForResponse(
      (response) =>
        /DELETE/.test(response.request().method()) || /\/download\//.test(response.url()),
    );
    await page.locator("#run").click();
    const run = await rig.runner.next();
    run.start();
    run.end({ outputs });
    const id = (await gone).url().split("/").at(-1) ?? "";
    await untilState(page, /^Finished$/);
    await page.locator("#run").waitFor();
    assert.equal((await fetch(`http://127.0.0.1:${rig.port}/status/${id}`)).status, 404);
  }
});

test("Stop ends the job on the server and keeps what was printed", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  run.print("half\n");
  await page.locator("#terminal").getByText("half").waitFor();
  await page.locator("#stop").click();
  assert.deepEqual((await run.finished).outcome, { kind: "cancelled" });
  await untilState(page, /^Stopped/);
  assert.equal(await consoleText(page), "half");
  await page.locator("#run").waitFor();
});

test("leaving the page ends its job", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  await untilState(page, /^Running$/);
  await page.goto("about:blank");
  assert.deepEqual((await run.finished).outcome, { kind: "cancelled" });
});

test("files, a folder, arguments, input, environment and limits go with the program", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await writeCode(page, "print(open('data.csv').read())");
  await page.locator("#pick-files").setInputFiles([
    { name: "data.csv", mimeType: "text/csv", buffer: Buffer.from("a,b") },
    { name: "wrong.txt", mimeType: "text/plain", buffer: Buffer.from("x") },
  ]);
  await page.getByRole("button", { name: "Remove wrong.txt" }).click();
  await dropTree(page, { "lib/deep/one.py": "1", "two.py": "2" });
  await page.locator("#more summary").click();
  await page.locator("#args").fill("--fast\nwith blank");
  await page.locator("#input").fill("typed");
  await page.locator("#env").fill("NAME=a=b\nOTHER=");
  await page.locator("#timeout").fill("5");
  await page.locator("#memory").fill("128");
  await page.locator("#run").click();
  const { manifest, input } = (await rig.runner.next()).spec;
  assert.deepEqual(inputNames(input.files), ["data.csv", "lib/deep/one.py", "main.py", "two.py"]);
  assert.deepEqual(manifest.args, ["--fast", "with blank"]);
  assert.deepEqual({ ...manifest.env }, { NAME: "a=b", OTHER: "" });
  assert.equal(Buffer.from(manifest.stdin).toString(), "typed");
  assert.deepEqual([manifest.timeoutSeconds, manifest.memoryMb], [5, 128]);
  assert.equal(manifest.entrypoint, "main.py");
});

/** Drops files as a person would, in the only form in which a script may make a drop. */
async function dropTree(page: Page, files: Record<string, string>): Promise<void> {
  const transfer = await page.evaluateHandle(
    `(() => {
      const data = new DataTransfer();
      for (const [path, text] of ${JSON.stringify(Object.entries(files))}) data.items.add(new File([text], path));
      return data;
    })()`,
  );
  await page.dispatchEvent("#editor", "dragenter", { dataTransfer: transfer });
  await page.locator("#drop").waitFor();
  await page.dispatchEvent("#editor", "drop", { dataTransfer: transfer });
}

test("a folder is the job's own, and an archive is unpacked by the server", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  const folder = await mkdtemp(join(tmpdir(), "sandrun-folder-"));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "deep"));
  await writeFile(join(folder, "deep/one.txt"), "1");
  await writeFile(join(folder, "two.txt"), "2");
  await page.locator("#pick-folder").setInputFiles(folder);
  const archive = createTarPacker();
  const packed = buffer(archive.readable);
  const entry = archive.controller.add({ name: "inside/three.txt", size: 1, type: "file" });
  await new Blob(["3"]).stream().pipeTo(entry);
  archive.controller.finalize();
  await page
    .locator("#pick-files")
    .setInputFiles([{ name: "more.tar", mimeType: "application/x-tar", buffer: await packed }]);
  await page.locator("#run").click();
  const { input } = (await rig.runner.next()).spec;
  const names = ["deep/one.txt", "inside/three.txt", "main.py", "two.txt"];
  assert.deepEqual(inputNames(input.files), names);
});

test("files alone run without any code, by the one that is to start", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await writeCode(page, "");
  await page.locator("#pick-files").setInputFiles([
    { name: "a.js", mimeType: "text/javascript", buffer: Buffer.from("1") },
    { name: "b.py", mimeType: "text/x-python", buffer: Buffer.from("2") },
  ]);
  await page.locator("#more summary").click();
  await page.locator("#start").fill("a.js");
  await page.locator("#run").click();
  const { manifest } = (await rig.runner.next()).spec;
  assert.deepEqual([manifest.entrypoint, manifest.interpreter], ["a.js", "node"]);
});

test("output files are shown as pictures, tables and text, and saved one or all", async (t) => {
  const { page, rig, complaints } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  run.end({
    outputs: new FakeOutputs({
      "chart.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="4"/>',
      "dot.png": Buffer.from(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==",
        "base64",
      ),
      "rows.csv": 'name,n\n"Ada, L.",1\n',
      "notes.html": "<b>not bold</b>",
      "raw.bin": Buffer.from([0, 1, 2]),
    }),
  });
  await page.getByRole("heading", { name: "5 output files" }).waitFor();
  for (const name of ["dot.png", "rows.csv", "notes.html", "raw.bin"])
    await page.getByRole("button", { name: new RegExp(`^${name}`) }).click();
  await page.locator("td").first().waitFor();
  await untilDrawn(page);
  const widths =
    '[...document.querySelectorAll("#outputs img")].map((image) => image.naturalWidth)';
  assert.deepEqual(await inPage(page, widths), [8, 1]);
  assert.deepEqual(await page.locator("td").allTextContents(), ["Ada, L.", "1"]);
  assert.equal(await page.locator("#outputs pre").textContent(), "<b>not bold</b>");
  await page.getByText("Nothing to show of this kind of file").waitFor();
  const one = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download rows.csv" }).click();
  assert.equal(await savedText(one), 'name,n\n"Ada, L.",1\n');
  const all = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download all" }).click();
  assert.equal((await all).suggestedFilename(), "sandrun-outputs.tar.gz");
  assert.deepEqual(complaints, []);
});

test("colours come out as classes, progress lines replace themselves, other escapes are gone", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  run.print("10%\r20%\r\x1b[3");
  run.print("1mred\x1b[0m\n\x1b]0;title\x07\x1b[2J<b>&amp;\x1b[38;2;1;2;3mdeep\x1b[m\n");
  run.end();
  await untilState(page, /^Finished$/);
  assert.equal(await consoleText(page), "red\n<b>&amp;deep");
  assert.equal(await page.locator("#terminal .fg1").textContent(), "red");
  const deep = '[...document.querySelectorAll("#terminal span")].at(-1)';
  assert.equal(await inPage(page, `getComputedStyle(${deep}).color`), "rgb(1, 2, 3)");
});

test("each end is told in a person's words", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#more summary").click();
  await page.locator("#timeout").fill("5");
  for (const [outcome, words] of [
    [{ kind: "exited", exitCode: 3 }, /^Ended with exit status 3$/],
    [{ kind: "timed_out" }, /^Timed out after 5 s$/],
    [{ kind: "out_of_memory" }, /^Out of memory: it wanted more than 512 MB$/],
    [{ kind: "signalled", signal: "SIGSEGV" }, /^Crashed: .*memory.*\(SIGSEGV\)$/],
    [{ kind: "sandbox_error", step: "mount /usr" }, /box failed \(mount \/usr\)/],
  ] as const) {
    await page.locator("#run").click();
    const run = await rig.runner.next();
    run.start();
    run.end({ outcome });
    await untilState(page, words);
    await page.locator("#run").waitFor();
  }
});

test("who waits sees the place in the queue and the quota", async (t) => {
  const rig = makeRig({ web: readWebFiles(DIST), maxRunning: 1 });
  const { page } = await openPage(t, browser(), { rig });
  await untilConnected(page);
  const other = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: '{"code":"1"}',
  };
  // The same caller's other job holds the only place.
  await inPage(page, `fetch("/submit", ${JSON.stringify(other)}).then(() => 0)`);
  const first = await rig.runner.next();
  await page.locator("#run").click();
  await untilState(page, /^Waiting: next in the queue$/);
  await page
    .locator("#facts")
    .filter({ hasText: /you: 1 running, 1 waiting/ })
    .waitFor();
  first.end();
  (await rig.runner.next()).end();
  await untilState(page, /^Finished$/);
});

test("whose quota is used up is told that this is what the job waits for", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#run").click();
  const greedy = await rig.runner.next();
  greedy.start();
  greedy.end({ usage: { cpuMs: 15_000, memoryPeakBytes: 1, wallMs: 15_000 } });
  await untilState(page, /^Finished$/);
  await page.locator("#run").click();
  await untilState(page, /^Waiting for your CPU quota$/);
  await page
    .locator("#facts")
    .filter({ hasText: /used up, full again in \d+ s/ })
    .waitFor();
  rig.clock.advance(61_000);
  (await rig.runner.next()).end();
  await untilState(page, /^Finished$/);
});

test("large output files stay on the server, with the time that is left, until they are asked for", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  const outputs = new FakeOutputs({ "large.bin": Buffer.alloc(33_000_000), "small.txt": "small" });
  run.end({ outputs });
  await page.getByText(/they stay on the server/).waitFor();
  await page.getByRole("button", { name: /^small\.txt/ }).click();
  await page.locator("#outputs pre").getByText("small").waitFor();
  assert.equal(outputs.destroyed, 0);
  const all = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download all" }).click();
  await (await all).path();
  assert.equal(outputs.destroyed, 1);
});

test("a server that is not there, or not one, is told with what to do", async (t) => {
  const { page } = await openPage(t, browser());
  await untilConnected(page);
  const use = async (address: string) => {
    await page.locator("#server").click();
    await page.locator("#server-url").fill(address);
    await page.getByRole("button", { name: "Use this server" }).click();
  };
  await use("http://127.0.0.1:9");
  await page
    .locator("#notice")
    .filter({ hasText: /No answer from http:\/\/127\.0\.0\.1:9\./ })
    .waitFor();
  await page.locator("#server[data-state=gone]").waitFor();
  await page.locator("#run").click();
  await untilState(page, /^Not run/);
});

test("another host's page uses the server that it is told, and nothing is kept unless asked", async (t) => {
  const { page, rig } = await openPage(t, browser());
  const other = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#server").click();
  await page.locator("#server-url").fill(`http://127.0.0.1:${other.rig.port}`);
  await page.getByRole("button", { name: "Use this server" }).click();
  await page
    .locator("#server[data-state=there]")
    .filter({ hasText: String(other.rig.port) })
    .waitFor();
  await page.locator("#run").click();
  (await other.rig.runner.next()).end();
  await untilState(page, /^Finished$/);
  assert.equal(rig.runner.runs.length, 0);
  const kept = () =>
    inPage<string>(
      page,
      "JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie",
    );
  assert.equal(await kept(), "{}");
  await page.locator("#server").click();
  await page.locator("#remember").check();
  await page.getByRole("button", { name: "Use this server" }).click();
  assert.match(await kept(), new RegExp(String(other.rig.port)));
});

test("S22: a link holds the program in its fragment, which no server sees, and runs nothing by itself", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#interpreter").selectOption("node");
  await writeCode(page, "console.log('from a link')");
  await page.locator("#more summary").click();
  await page.locator("#args").fill("one");
  await page.locator("#share").click();
  await page.locator("#share-dialog[open]").waitFor();
  const link = await page.locator("#share-link").inputValue();
  const fragment = new URL(link).hash;
  assert.match(fragment, /^#v1=[\w-]+$/);
  const again = await openPage(t, browser(), { fragment });
  await untilConnected(again.page);
  await again.page.locator("#notice").filter({ hasText: "A program from a link" }).waitFor();
  assert.equal(again.rig.runner.runs.length + rig.runner.runs.length, 0);
  const asked = again.rig.logged.map((line) => JSON.stringify(line)).join("\n");
  assert.doesNotMatch(asked, /v1=/);
  await again.page.locator("#run").click();
  const run = await again.rig.runner.next();
  assert.equal(run.code, "console.log('from a link')");
  assert.deepEqual([run.spec.manifest.interpreter, run.spec.manifest.args], ["node", ["one"]]);
  const broken = await openPage(t, browser(), { fragment: "#v1=AAAA" });
  await broken.page.locator("#notice").filter({ hasText: "This link is broken" }).waitFor();
});

test("a person answers a program that asks, ends its input and interrupts it", async (t) => {
  const { page, rig, complaints } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#run").click();
  const run = await rig.runner.next();
  assert.equal(run.spec.manifest.interactive, true);
  run.start();
  run.print("name? ");
  const line = page.getByLabel("Input for the program");
  await line.fill("Ada");
  await line.press("Enter");
  await page.locator("#terminal .page").getByText("Ada").waitFor();
  assert.equal(await consoleText(page), "name? Ada");
  await line.press("Control+c");
  await line.fill("last words");
  await line.press("Control+d");
  await line.waitFor({ state: "hidden" });
  await page.locator("#stop:focus").waitFor();
  run.end();
  await untilState(page, /^Finished$/);
  assert.deepEqual(run.told.slice(0, 2), ["Ada\n", "SIGINT"]);
  // The fake takes an end at once and input a moment later.
  assert.deepEqual(run.told.slice(2).sort(), ["end", "last words"]);
  assert.deepEqual(complaints, []);
});

test("input that is given beforehand is all of it", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#more summary").click();
  await page.locator("#input").fill("all of it");
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  await untilState(page, /^Running$/);
  assert.equal(await page.locator("#typing").isVisible(), false);
  assert.equal(run.spec.manifest.interactive, false);
});

test("where no WebSocket comes through, output still comes as it is printed", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.routeWebSocket(/./, (socket) => socket.close());
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  run.print("through a proxy\n");
  await page.locator("#terminal").getByText("through a proxy").waitFor();
  run.print("and on\n");
  await page.locator("#terminal").getByText("and on").waitFor();
  run.end();
  await untilState(page, /^Finished$/);
  assert.equal(await consoleText(page), "through a proxy\nand on");
});

test("a page below a prefix talks to the service below it; code typed meanwhile stays", async (t) => {
  const { page, rig } = await openPage(t, browser());
  const release = Promise.withResolvers<void>();
  await page.route(/\/box\//, async (route) => {
    const path = route.request().url().replace("/box/", "/");
    if (path.endsWith("/environments")) await release.promise;
    await route.fulfill({ response: await route.fetch({ url: path }) });
  });
  await page.goto(`http://127.0.0.1:${rig.port}/box/`);
  await writeCode(page, "typed = 'before the server answered'");
  release.resolve();
  await untilConnected(page);
  assert.equal(await page.locator("#server-name").textContent(), `127.0.0.1:${rig.port}/box`);
  assert.equal(
    await page.locator(".cm-line").textContent(),
    "typed = 'before the server answered'",
  );
});

test("a program in a language that the server lacks says so", async (t) => {
  const link = await linkOf("http://x/", { code: "puts 1", interpreter: "ruby" });
  const { page } = await openPage(t, browser(), { fragment: new URL(link).hash });
  await page.locator("#notice").filter({ hasText: "This server has no ruby" }).waitFor();
});

test("what was printed is saved byte for byte", async (t) => {
  const { page, rig } = await openPage(t, browser());
  await untilConnected(page);
  await page.locator("#run").click();
  const run = await rig.runner.next();
  run.start();
  const bytes = Buffer.from([0xff, 0x00, 0x1b, 0x5b, 0x41, 0xc3, 0xa4, 0x0a]);
  run.print(bytes);
  run.end();
  await untilState(page, /^Finished$/);
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save the output" }).click();
  assert.deepEqual(await readFile(await (await saved).path()), bytes);
});
