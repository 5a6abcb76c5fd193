/** What is shipped has no break points: neither a word of them nor an instruction. */
import assert from "node:assert/strict";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { LAYERS } from "../../src/core/wire.ts";
import { nativeProgram } from "../../src/sandbox/place.ts";
import { run } from "../support/boxes.ts";
import { onHost } from "../support/host.ts";
import { NATIVE, openRunner, useBroken } from "./broken.ts";

const MARKER = "SANDRUN_BREAK";
const broken = useBroken();
const directory = mkdtempSync(join(tmpdir(), "sandrun-product-"));
after(() => rmSync(directory, { recursive: true }));

/** A source without its break points: whole lines, or the condition at the head of one. */
function cut(source: string): string {
  return source
    .replace(/^#include "breakable\.h"$/m, "")
    .replace(/^ *if \(BROKEN\(.*;$/gm, "")
    .replace(/^.*\bBROKEN_NAMESPACES;$/gm, "")
    .replace(/^.*\bFORGIVEN_LAYERS;$/gm, "")
    .replace(/\bBREAK_VARIABLE /g, "")
    .replace(/if \(!BROKEN\(\w+\)\) /g, "")
    .replace(/!BROKEN\(\w+\) && /g, "");
}

const SOURCES = readdirSync(NATIVE).filter((name) => name.endsWith(".c"));
const BREAKABLE_SOURCES = SOURCES.filter((name) =>
  readFileSync(join(NATIVE, name), "utf8").includes('#include "breakable.h"'),
);

test("S15: break points are few, and each can be cut out", () => {
  const texts = BREAKABLE_SOURCES.map((name) => readFileSync(join(NATIVE, name), "utf8"));
  const points = texts
    .join("\n")
    .match(/\bBROKEN(_NAMESPACES)?\b|\bFORGIVEN_LAYERS\b|\bBREAK_VARIABLE\b/g);
  assert.ok(
    points !== null && points.length >= LAYERS.length && points.length <= 22,
    `${points?.length}`,
  );
  for (const text of texts)
    assert.doesNotMatch(cut(text), /BROKEN|FORGIVEN|BREAK_VARIABLE|breakable/);
});

/** Objects without line numbers, since cutting moves lines; by the product's own flags. */
async function compile(
  name: string,
  extra: readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const place = join(directory, name);
  const objects = BREAKABLE_SOURCES.map((source) => `build/${source.replace(/c$/, "o")}`);
  const made = await onHost("make", ["-s", "-j2", "-C", place, ...extra, ...objects]);
  assert.equal(made.status, 0, made.stderr);
  return new Map(objects.map((object) => [object, readFileSync(join(place, object))]));
}

/** A copy of the native part, its sources passed through `change`. */
function copy(name: string, change: (source: string) => string): void {
  const place = join(directory, name);
  cpSync(NATIVE, place, {
    recursive: true,
    filter: (path) =>
      !path.startsWith(join(NATIVE, "build")) && !path.startsWith(join(NATIVE, "fuzz")),
  });
  for (const source of BREAKABLE_SOURCES) {
    writeFileSync(join(place, source), change(readFileSync(join(NATIVE, source), "utf8")));
  }
}

test("S15: the product's objects are those of its sources without any break point, to the byte", async () => {
  const makefile = readFileSync(join(NATIVE, "Makefile"), "utf8");
  const flags = /^CFLAGS = ((?:.*\\\n)*.*)$/m.exec(makefile)?.[1]?.replaceAll("\\\n", " ") ?? "";
  assert.match(flags, / -O2 -g /);
  const plain = [`CFLAGS=${flags.replace(" -g ", " -g0 ")}`];
  copy("with", (source) => source);
  copy("without", cut);
  const withPoints = await compile("with", plain);
  const without = await compile("without", plain);
  for (const [object, bytes] of withPoints) {
    assert.ok(bytes.equals(without.get(object) ?? Buffer.alloc(0)), `${object} differs`);
  }
  // Where the break points are compiled in, every one of these objects shows it.
  copy("breakable", (source) => source);
  const breakable = await compile("breakable", [`${plain[0]} -DSANDRUN_BREAKABLE`]);
  for (const [object, bytes] of withPoints) {
    assert.ok(!bytes.equals(breakable.get(object) ?? bytes), `${object} does not differ`);
  }
});

test("S15: the product knows no word of what breaks a layer", () => {
  const test = readFileSync(`${NATIVE}/build/sandrun-native-broken`);
  const product = readFileSync(nativeProgram());
  for (const word of [MARKER, "nothing to break is called", "is_broken", "forgiven_layers"]) {
    assert.ok(test.includes(word), word);
    assert.ok(!product.includes(word), word);
  }
});

test("S15: what breaks the test program does nothing to the product", async () => {
  // The same program under another name, so that the variable and nothing else is what differs.
  const wrapper = readFileSync(broken.program("silent", "seccomp"), "utf8");
  const path = join(directory, "product");
  const link = join(directory, "sandrun-native");
  symlinkSync(nativeProgram(), link);
  writeFileSync(path, wrapper.replace(/'[^']*sandrun-native-broken'/, `'${link}'`), {
    mode: 0o755,
  });
  assert.match(
    readFileSync(path, "utf8"),
    /SANDRUN_BREAK='silent seccomp' exec '.*\/sandrun-native'/,
  );
  const runner = await openRunner(path);
  try {
    const ran = await run(runner, { code: "print(open('/proc/self/status').read())" });
    assert.match(ran.stdout.toString(), /^Seccomp:\t2$/m);
    assert.deepEqual(ran.finished.isolation, [...LAYERS]);
  } finally {
    await runner.close();
  }
});
