/**
 * The page in a real browser, on a service around the fake runner: the test says what a job does, and
 * when. Every test has a profile of its own.
 */
import { execFileSync } from "node:child_process";
import { after, before, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { readWebFiles } from "../../src/http/web.ts";
import { makeRig, type Rig } from "../fakes/service.ts";
import { serveRig, type WireRig } from "../fakes/wire.ts";

export const DIST = fileURLToPath(new URL("../../web/dist", import.meta.url));

/** As root chromium has no sandbox of its own, and it must not talk to anybody but us. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** One browser for all tests of a file. */
export function useBrowser(): () => Browser {
  let browser: Browser | undefined;
  before(async () => {
    const executablePath = execFileSync("sh", ["-c", "command -v chromium"]).toString().trim();
    browser = await chromium.launch({ executablePath, args: FLAGS });
  });
  after(async () => {
    await browser?.close();
  });
  return () => {
    if (browser === undefined) throw new Error("the browser has not started");
    return browser;
  };
}

export interface OpenPage {
  readonly page: Page;
  readonly rig: WireRig;
  /** What the browser complained about: faults of scripts, refusals of the policy. */
  readonly complaints: string[];
}

export interface PageOptions {
  readonly rig?: Rig;
  /** Behind the address, such as `#v1=…`. */
  readonly fragment?: string;
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
}

export async function serveWeb(t: TestContext, rig?: Rig): Promise<WireRig> {
  const served = await serveRig({}, rig ?? makeRig({ web: readWebFiles(DIST) }));
  t.after(() => served.stop());
  return served;
}

export async function openPage(
  t: TestContext,
  browser: Browser,
  options: PageOptions = {},
): Promise<OpenPage> {
  const rig = await serveWeb(t, options.rig);
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    colorScheme: options.dark === true ? "dark" : "light",
    acceptDownloads: true,
    reducedMotion: "reduce",
  });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(`http://127.0.0.1:${rig.port}/${options.fragment ?? ""}`);
  return { page, rig, complaints };
}

/** Puts a program into the editor as a person does. */
export async function writeCode(page: Page, code: string): Promise<void> {
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(code);
}

/** The outcome line, once it says something that matches. */
export async function untilState(page: Page, words: RegExp): Promise<string> {
  const line = page.locator("#state").filter({ hasText: words });
  await line.waitFor();
  return (await line.textContent()) ?? "";
}

/** The value of an expression in the page; as text, since what it names is not there in Node. */
export function inPage<T>(page: Page, expression: string): Promise<T> {
  return page.evaluate(expression) as Promise<T>;
}

/** What the console shows, line by line. */
export function consoleText(page: Page): Promise<string> {
  return inPage(page, 'document.getElementById("terminal").innerText');
}

export function focusedId(page: Page): Promise<string> {
  return inPage(page, "document.activeElement.id");
}

/** Every picture is there, or known to be broken. */
export async function untilDrawn(page: Page): Promise<void> {
  await inPage(page, "Promise.allSettled([...document.images].map((image) => image.decode()))");
}
