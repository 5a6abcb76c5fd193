import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";
import { at, projectFiles, ROOT, read, type Source, sources } from "./sources.ts";

const BINARY = /\.(png|ico|woff2?|gz|zip|tar)$/;
const text = sources(/./).filter(({ path }) => !BINARY.test(path));

/** A line that these rules themselves need, which would otherwise accuse them. */
function isRule({ path }: Source): boolean {
  return path.startsWith("test/rules/");
}

test("no path of anybody's machine", () => {
  const wrong = text
    .filter((source) => !isRule(source))
    .flatMap((source) => {
      const found = source.text.search(
        /\/(?:home|Users)\/(?!user\/|nobody|\$)[a-z][\w-]*\/|\/work\/(?:main|shared)\b|(?<!\/proc\/1)\/root\/[a-z]/,
      );
      return found < 0 ? [] : [at(source, found, "a path of one machine")];
    });
  assert.deepEqual(wrong, []);
});

test("no package registry is named, in the lockfile least of all", () => {
  const registry =
    /registry\.npmjs|registry\.yarnpkg|"resolved":|npm\.pkg\.github|pypi\.org\/simple/;
  const wrong = text
    .filter((source) => !isRule(source))
    .flatMap((source) => {
      const found = source.text.search(registry);
      return found < 0 ? [] : [at(source, found, "a registry's host")];
    });
  assert.deepEqual(wrong, []);
});

test("every package is pinned to one version", () => {
  const { dependencies, devDependencies } = JSON.parse(read("package.json").text);
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    assert.match(String(version), /^\d+\.\d+\.\d+$/, name);
});

test("nothing that was made is tracked", () => {
  const wrong = projectFiles().filter((path) =>
    /^(node_modules|\.runtime|native\/build)\//.test(path),
  );
  assert.deepEqual(wrong, []);
});

const pages = sources(/\.md$/);

/** GitHub's way to make an anchor of a heading. */
function anchors(page: Source): Set<string> {
  const headings = withoutFences(page.text).matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function withoutFences(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, (fence) => fence.replace(/[^\n]/g, " "));
}

function brokenLinks(page: Source): string[] {
  const links = [...withoutFences(page.text).matchAll(/\]\(([^)\s]+)\)/g)];
  return links.flatMap((link) => {
    const [path = "", anchor] = (link[1] ?? "").split("#");
    if (/^[a-z]+:/.test(path)) return [];
    const target = path === "" ? page.path : posix.join(posix.dirname(page.path), path);
    const problem = at(page, link.index, `${link[1]} leads nowhere`);
    const isSelf = target === page.path;
    if (!isSelf && !existsSync(`${ROOT}${target}`)) return [problem];
    if (anchor === undefined || !target.endsWith(".md")) return [];
    return anchors(isSelf ? page : read(target)).has(anchor) ? [] : [problem];
  });
}

test("finds a link that leads nowhere", () => {
  const links = "[a](nowhere.md) [b](#there) [c](#not) [d](package.json)\n# There\n";
  assert.equal(brokenLinks({ path: "README.md", text: links }).length, 2);
});

test("links in the docs lead somewhere", () => {
  assert.deepEqual(pages.flatMap(brokenLinks), []);
});

test("JSON examples in the docs are JSON", () => {
  for (const page of pages) {
    for (const [, body = ""] of page.text.matchAll(/^```json\n([\s\S]*?)^```/gm)) {
      assert.doesNotThrow(() => JSON.parse(body), `${page.path}: ${body}`);
    }
  }
});
