/** Interpreters and prepared trees: what is told is what a job gets. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SandboxFault } from "../../src/core/errors.ts";
import { LANGUAGES } from "../../src/core/languages.ts";
import { describeEnvironment, environmentTree } from "../../src/sandbox/environments.ts";
import { findInterpreters, guessInterpreters } from "../../src/sandbox/interpreters.ts";
import { run, say, useRunner } from "../support/boxes.ts";
import { onHost } from "../support/host.ts";

const top = mkdtempSync(join(tmpdir(), "sandrun-environments-"));
// Boxes must be able to enter it.
chmodSync(top, 0o755);
after(() => rmSync(top, { recursive: true }));

const venv = join(top, "venv");
const made = await onHost("/usr/bin/python3", ["-m", "venv", "--without-pip", venv]);
assert.equal(made.status, 0, made.stderr);
const sites = (await onHost("sh", ["-c", `echo ${venv}/lib/python3*/site-packages`])).stdout.trim();
writeFileSync(join(sites, "only_here.py"), "answer = 42\n");
mkdirSync(join(sites, "Some_Thing-1.2.3.dist-info"));

/** A venv whose Python leads to a place that no box has. */
const broken = join(top, "broken");
mkdirSync(join(broken, "bin"), { recursive: true });
writeFileSync(join(broken, "pyvenv.cfg"), "home = /opt/elsewhere/bin\n");
symlinkSync("/opt/elsewhere/bin/python3", join(broken, "bin", "python3"));

const runner = useRunner(1, () => ({ venv, broken }));
const WHERE = "import sys\nprint(sys.executable)\nimport only_here\nprint(only_here.answer)";

test("a job with an environment runs its Python and sees its packages", async () => {
  assert.equal(await say(runner(), { code: WHERE, environment: "venv" }), "/env/bin/python3\n42\n");
});

test("a job without it, or with another one, sees nothing of it", async () => {
  const ran = await run(runner(), { code: WHERE });
  assert.equal(ran.stdout.toString(), "/usr/bin/python3\n");
  assert.match(ran.stderr.toString(), /No module named 'only_here'/);
  const code = "import os\nprint(os.listdir('/env'), 'VIRTUAL_ENV' in os.environ)";
  assert.equal(await say(runner(), code), "[] False\n");
  const other = { interpreter: "sh", code: "cat /env/pyvenv.cfg", environment: "broken" };
  assert.equal(await say(runner(), other), "home = /opt/elsewhere/bin\n");
});

test("an environment cannot be changed by a job", async () => {
  const code = `
import os
for attempt in (lambda: open("/env/x", "w"), lambda: os.remove("/env/pyvenv.cfg"), lambda: os.chmod("/env", 0o777),
    lambda: open("/env/pyvenv.cfg", "a")):
    try: attempt(); print("changed")
    except OSError as error: print(error.strerror)`;
  const said = await say(runner(), { code, environment: "venv" });
  assert.equal(said, "Read-only file system\n".repeat(4));
});

test("a whole path to an environment's directory on the host leads nowhere", async () => {
  const code = `import os\nprint(os.path.exists(${JSON.stringify(venv)}))`;
  assert.equal(await say(runner(), { code, environment: "venv" }), "False\n");
});

test("an environment is described by what its boxes say", async () => {
  const info = await describeEnvironment(runner(), environmentTree("venv", venv));
  assert.equal(info.name, "venv");
  assert.ok(info.interpreters.some(({ name }) => name === "python3"));
  const own = info.packages.find(({ name }) => name === "some-thing");
  assert.deepEqual(own, { name: "some-thing", version: "1.2.3" });
});

test("a venv whose Python no box can see is refused, with the mend", async () => {
  const tree = environmentTree("broken", broken);
  await assert.rejects(describeEnvironment(runner(), tree), /\/usr\/bin\/python3 -m venv/);
});

test("names of environments that could be read otherwise are refused", () => {
  for (const name of ["", "a/b", "..", "-x", "a b", "ü", "a\n", "x".repeat(65)]) {
    assert.throws(() => environmentTree(name, "/usr"), /a name is made of/, name);
  }
  assert.deepEqual(environmentTree("A-1.x_y", "/usr"), { name: "A-1.x_y", directory: "/usr" });
});

test("an environment that there is not is a fault, and never another one", async () => {
  const ran = await run(runner(), { code: "print(1)", environment: "absent" });
  assert.deepEqual(ran.outcome, { kind: "sandbox_error", step: "find the environment" });
  await say(runner(), "print(1)");
  await assert.rejects(findInterpreters(runner(), "absent"), /find the environment/);
});

test("the interpreters that are told are there, in that version; the others are not", async () => {
  const found = await findInterpreters(runner());
  const names = found.map(({ name }) => name);
  for (const name of ["python3", "node", "bash", "sh"]) assert.ok(names.includes(name), name);
  for (const { name, program } of LANGUAGES) {
    const code = `command -v ${program} >/dev/null && echo yes || echo no`;
    const isThere = (await say(runner(), { interpreter: "sh", code })) === "yes\n";
    assert.equal(names.includes(name), isThere, name);
  }
  const python = found.find(({ name }) => name === "python3");
  const code = "import platform\nprint(platform.python_version())";
  assert.equal(await say(runner(), code), `${python?.version}\n`);
  const node = found.find(({ name }) => name === "node");
  const own = { interpreter: "node", code: "console.log(process.versions.node)" };
  assert.equal(await say(runner(), own), `${node?.version}\n`);
  assert.equal(node?.version, process.versions.node, "boxes get the service's own node");
});

test("what a local run guesses is what boxes have", async () => {
  const found = (await findInterpreters(runner())).map(({ name }) => name);
  const guessed = guessInterpreters([]).map(({ name }) => name);
  assert.deepEqual(guessed, found);
});

test("a fault of the sandbox is told by its step", () => {
  assert.equal(new SandboxFault("mount /usr", 1).message, "mount /usr: errno 1");
});
