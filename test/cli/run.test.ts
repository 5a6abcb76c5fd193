import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { Outcome } from "../../src/core/job.ts";
import { scratch } from "./files.ts";
import { sandrun } from "./harness.ts";

const TERMINAL = { stdin: true, stdout: true, stderr: true };

test("runs a file, gives it the arguments after it, and ends with the program's status", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "print(1)");
  const ran = await sandrun([join(dir, "a.py"), "--json", "-x", "--", "b c"], {
    script: { stdout: "1\n", stderr: "warned\n", outcome: { kind: "exited", exitCode: 3 } },
  });
  assert.equal(ran.status, 3);
  assert.equal(ran.stdout.toString(), "1\n");
  assert.equal(ran.stderr, "warned\n");
  const [spec] = ran.specs;
  assert.equal(spec?.manifest.entrypoint, "a.py");
  assert.equal(spec?.manifest.interpreter, "python3");
  assert.deepEqual(spec?.manifest.args, ["--json", "-x", "--", "b c"]);
  assert.equal(ran.destroyed, 1);
  assert.equal(ran.closed, 1);
});

test("printed bytes pass unchanged, whatever they are", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  const ran = await sandrun([join(dir, "a.py")], { script: { stdout: bytes } });
  assert.deepEqual([...ran.stdout], [...bytes]);
});

const ENDS: readonly (readonly [Outcome, number, RegExp])[] = [
  [{ kind: "signalled", signal: "SIGSEGV" }, 139, /killed by SIGSEGV/],
  [{ kind: "timed_out" }, 124, /timed out after 5 s/],
  [{ kind: "cpu_limit" }, 124, /used up its CPU time \(2 s\)/],
  [{ kind: "out_of_memory" }, 137, /ran out of memory \(128 MB\)/],
  [{ kind: "output_limit" }, 125, /larger than the limit/],
  [{ kind: "evicted" }, 125, /evicted/],
  [{ kind: "sandbox_error", step: "mount /usr" }, 125, /the sandbox failed: mount \/usr/],
];

for (const [outcome, status, sentence] of ENDS) {
  test(`says how a job ended that is ${outcome.kind}, and exits with ${status}`, async (t) => {
    const dir = await scratch(t);
    await writeFile(join(dir, "a.py"), "");
    const limits = ["--timeout", "5", "--cpu=2", "--memory", "128M"];
    const ran = await sandrun([...limits, join(dir, "a.py")], { script: { outcome } });
    assert.equal(ran.status, status);
    assert.match(ran.stderr, sentence);
    assert.equal(ran.stderr.split("\n").length, 2, "exactly one line");
  });
}

test("options become the manifest", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "x"), "");
  const ran = await sandrun(
    [
      ...["-l", "js", "--timeout", "7", "--memory=1G", "--env", "A=b=c", "--env", "SECRET"],
      ...["--outputs", "results/", "--outputs=*.png", "--environment", `sci=${dir}`],
      join(dir, "x"),
    ],
    { env: { SECRET: "s", OTHER: "o" } },
  );
  const manifest = ran.specs[0]?.manifest;
  assert.equal(manifest?.interpreter, "node");
  assert.equal(manifest?.timeoutSeconds, 7);
  assert.equal(manifest?.memoryMb, 1024);
  assert.deepEqual({ ...manifest?.env }, { A: "b=c", SECRET: "s" });
  assert.deepEqual(manifest?.outputs, ["results/", "*.png"]);
  assert.equal(manifest?.environment, "sci");
  assert.deepEqual(ran.opened, [{ environments: { sci: dir } }]);
});

test("nothing of the caller's environment reaches the job unasked", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const ran = await sandrun([join(dir, "a.py")], { env: { SECRET: "s" } });
  assert.deepEqual({ ...ran.specs[0]?.manifest.env }, {});
});

test("code on standard input is python unless --lang or a #! line says otherwise", async () => {
  const piped = await sandrun([], { stdin: "print(1)" });
  assert.equal(piped.specs[0]?.manifest.entrypoint, "main.py");
  const lang = await sandrun(["--lang", "javascript", "-", "x"], { stdin: "1" });
  assert.equal(lang.specs[0]?.manifest.interpreter, "node");
  assert.deepEqual(lang.specs[0]?.manifest.args, ["x"]);
  const shebang = await sandrun([], { stdin: "#!/bin/sh\necho 1" });
  assert.equal(shebang.specs[0]?.manifest.interpreter, "sh");
});

test("standard input that is not a terminal becomes the program's", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const bytes = Uint8Array.of(0, 255, 10);
  const piped = await sandrun([join(dir, "a.py")], { stdin: bytes });
  assert.deepEqual([...(piped.specs[0]?.manifest.stdin ?? [])], [0, 255, 10]);
  const typed = await sandrun([join(dir, "a.py")], { stdin: "no", terminals: TERMINAL });
  assert.equal(typed.specs[0]?.manifest.stdin.length, 0);
});

test("an endless standard input is refused at its limit", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1 << 20);
    })(),
  );
  const ran = await sandrun([join(dir, "a.py")], { stdin: endless });
  assert.equal(ran.status, 125);
  assert.match(ran.stderr, /Standard input has more than 8 MB/);
  assert.equal(ran.specs.length, 0);
});

test("runs a directory by its job.json, which options override", async (t) => {
  const dir = await scratch(t);
  await mkdir(join(dir, "lib", "empty"), { recursive: true });
  await mkdir(join(dir, ".git"));
  await writeFile(join(dir, ".git", "config"), "secret");
  await writeFile(join(dir, "go.sh"), "echo", { mode: 0o755 });
  await writeFile(join(dir, "lib", "data"), "1");
  const manifest = { entrypoint: "go.sh", timeout: 9, env: { A: "1", B: "2" }, args: ["x"] };
  await writeFile(join(dir, "job.json"), JSON.stringify(manifest));
  const ran = await sandrun(["--timeout", "3", "--env", "B=3", dir]);
  const spec = ran.specs[0];
  assert.deepEqual(spec?.input.files.map(({ path }) => path).sort(), ["go.sh", "lib/data"]);
  assert.deepEqual(spec?.input.directories.toSorted(), ["lib", "lib/empty"]);
  assert.equal(spec?.input.files.find(({ path }) => path === "go.sh")?.executable, true);
  assert.equal(spec?.manifest.timeoutSeconds, 3);
  assert.deepEqual({ ...spec?.manifest.env }, { A: "1", B: "3" });
  assert.deepEqual(spec?.manifest.args, ["x"]);
});

test("refuses a directory with a link in it, and names the link", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "main.py"), "");
  await symlink("/etc/passwd", join(dir, "data"));
  const ran = await sandrun([dir]);
  assert.equal(ran.status, 125);
  assert.match(ran.stderr, /data is a link/);
});

test("an escape sequence in a file's name never reaches the terminal", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "evil\u001b[31m"), "");
  const ran = await sandrun([dir]);
  assert.equal(ran.status, 125);
  assert.match(ran.stderr, /evil\\x1b\[31m/);
});

const REFUSED: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["an unknown option", ["--frobnicate", "x"], /there is no option --frobnicate/],
  ["a missing value", ["--timeout"], /--timeout needs a value/],
  ["a switch with a value", ["--json=1", "x"], /--json takes no value/],
  ["an option given twice", ["--out", "a", "--out", "b", "x"], /given once/],
  ["a size that is none", ["--memory", "lots", "/dev/null"], /--memory takes a size/],
  ["a memory out of range", ["--lang", "sh", "--memory", "1M", "/dev/null"], /memory_mb/],
  ["a variable that is not there", ["--env", "NOPE", "/dev/null"], /no such variable/],
  ["a file that is not there", ["/nonexistent/a.py"], /there is no such file/],
  [
    "a command that is not there",
    ["run", "a.py"],
    /no such file; nor is it a command .*sandrun help/,
  ],
  ["a language that is not there", ["--lang", "cobol", "/dev/null"], /interpreter/],
  [
    "an environment that is not there",
    ["-l", "sh", "--environment", "x", "/dev/null"],
    /environment/,
  ],
  ["--force alone", ["--force", "x"], /--force belongs to --out/],
  ["a job id without a server", ["status", "id"], /needs a server/],
  ["a help page that is not there", ["help", "worker"], /there is no command worker/],
];

for (const [what, argv, sentence] of REFUSED) {
  test(`refuses ${what} in one sentence with status 125`, async () => {
    const ran = await sandrun(argv);
    assert.equal(ran.status, 125);
    assert.match(ran.stderr, sentence);
    assert.match(ran.stderr, /^sandrun: [^\n]+\n$/);
    assert.equal(ran.specs.length, 0);
    assert.equal(ran.opened.length, ran.closed, "what was opened is closed");
  });
}

test("says what it wants when nothing is piped and nothing is named", async () => {
  const ran = await sandrun([], { terminals: TERMINAL });
  assert.equal(ran.status, 125);
  assert.match(ran.stderr, /a file, a directory or code on standard input/);
});

test("--json prints the result in the API's words", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const ran = await sandrun(["--json", join(dir, "a.py")], {
    script: { stdout: "hi", files: { "r.txt": "out" }, outcome: { kind: "exited", exitCode: 4 } },
  });
  assert.equal(ran.status, 4);
  const result = JSON.parse(ran.stdout.toString());
  assert.equal(result.status, "failed");
  assert.equal(result.stdout, "hi");
  assert.deepEqual(result.outcome, { kind: "exited", exit_code: 4 });
  assert.equal(result.metrics.cpu_seconds, 0.012);
  assert.equal(Buffer.from(result.files[0].base64, "base64").toString(), "out");
});

test("Ctrl-C cancels the job and exits with 130", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const interrupt = new AbortController();
  const ran = await sandrun([join(dir, "a.py")], {
    interrupt,
    script: { endless: true },
    onStarted: () => interrupt.abort(130),
  });
  assert.equal(ran.status, 130);
  assert.equal(ran.closed, 1);
});

test("a reader that went away ends the job without a word", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const interrupt = new AbortController();
  const ran = await sandrun([join(dir, "a.py")], {
    interrupt,
    script: { endless: true },
    onStarted: () => interrupt.abort(141),
  });
  assert.equal(ran.status, 141);
  assert.equal(ran.stderr, "");
});

test("Ctrl-C while standard input is still open ends at once", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const interrupt = new AbortController();
  const open = new Readable({ read: () => setImmediate(() => interrupt.abort(130)) });
  const ran = await sandrun([join(dir, "a.py")], { interrupt, stdin: open });
  assert.equal(ran.status, 130);
  assert.equal(ran.stderr, "");
  assert.equal(ran.specs.length, 0);
});

test("cut output is said to be cut", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const ran = await sandrun([join(dir, "a.py")], { script: { dropped: 77 } });
  assert.match(ran.stderr, /stdout was cut after 10 MB of output; 77 bytes were dropped/);
});

test("mentions files that were not asked for, on a terminal only", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "a.py"), "");
  const script = { files: { a: "1", b: "2" } };
  const typed = await sandrun([join(dir, "a.py")], { script, terminals: TERMINAL });
  assert.match(typed.stderr, /the job made 2 files; --out DIR keeps them/);
  const piped = await sandrun([join(dir, "a.py")], { script });
  assert.equal(piped.stderr, "");
});

test("help lists every option that is parsed, and exits with 0", async () => {
  const ran = await sandrun(["--help"]);
  assert.equal(ran.status, 0);
  for (const option of ["--lang", "--out", "--timeout", "--memory", "--env", "--json", "--server"])
    assert.ok(ran.stdout.includes(option), option);
  const page = await sandrun(["download", "--help"]);
  assert.match(page.stdout.toString(), /--force/);
});

test("--version prints the package's version", async () => {
  const ran = await sandrun(["--version"]);
  assert.match(ran.stdout.toString(), /^sandrun \d+\.\d+\.\d+\n$/);
});
