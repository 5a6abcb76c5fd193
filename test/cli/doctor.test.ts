import assert from "node:assert/strict";
import { test } from "node:test";
import { reportText } from "../../src/cli/doctorText.ts";
import type { Report } from "../../src/doctor/examine.ts";
import { sandrun } from "./harness.ts";

const ESCAPE = "\u001b";

test("what is wrong with a box is told, and the exit status is 2", async () => {
  const ran = await sandrun(["doctor"], { brokenBox: "the sandbox could not be set up: a step" });
  assert.equal(ran.status, 2);
  assert.match(ran.stdout.toString(), /error +a real box +the sandbox could not be set up: a step/);
  assert.match(ran.stdout.toString(), /\nBoxes cannot run here: 1 error/);
  assert.equal(ran.stderr, "");
});

test("colours are for terminals, and for those who want them", async () => {
  const terminals = { stdout: true };
  const has = async (env: NodeJS.ProcessEnv, isTTY: boolean) =>
    (await sandrun(["doctor"], { env, ...(isTTY ? { terminals } : {}) })).stdout.includes(ESCAPE);
  assert.equal(await has({}, true), true);
  assert.equal(await has({ NO_COLOR: "" }, true), true);
  assert.equal(await has({ NO_COLOR: "1" }, true), false);
  assert.equal(await has({ TERM: "dumb" }, true), false);
  assert.equal(await has({}, false), false);
});

test("--json has the same fields in every finding, whatever was found", async () => {
  const ran = await sandrun(["doctor", "--json"], { brokenBox: "no" });
  const answer = JSON.parse(ran.stdout.toString());
  assert.deepEqual(Object.keys(answer), ["version", "status", "checks"]);
  assert.equal(answer.status, "error");
  for (const check of answer.checks) {
    assert.deepEqual(Object.keys(check), ["id", "title", "level", "says", "advice", "commands"]);
    assert.match(check.id, /^[a-z]+\.\w+$/);
  }
});

for (const argv of [["--frobnicate"], ["extra"], ["--cert"], ["--json=1"]]) {
  test(`refuses \`doctor ${argv.join(" ")}\` with status 125 before it looks at anything`, async () => {
    const ran = await sandrun(["doctor", ...argv]);
    assert.equal(ran.status, 125);
    assert.equal(ran.stdout.length, 0);
    assert.match(ran.stderr, /^sandrun: [^\n]+\n$/);
  });
}

test("a user who has had enough need not wait for the box", async () => {
  const interrupt = new AbortController();
  interrupt.abort(130);
  assert.equal((await sandrun(["doctor"], { interrupt })).status, 130);
});

const REPORT: Report = {
  status: "warning",
  findings: [
    { id: "kernel.a", title: "short", level: "fine", says: "word ".repeat(30).trim() },
    {
      id: "users.b",
      title: "a longer title",
      level: "warning",
      says: `named ${ESCAPE}[2J by a file`,
      advice: "Do this:",
      commands: [`sudo ${"long ".repeat(40)}command`],
    },
  ],
};

test("sentences are broken at the terminal's edge, commands never", () => {
  for (const columns of [40, 80, 200]) {
    const lines = reportText("here", REPORT, { columns, isColoured: false }).split("\n");
    const command = lines.filter((line) => line.includes("sudo"));
    assert.equal(command.length, 1);
    assert.match(command[0] ?? "", /^ {6}sudo long .* command$/);
    for (const line of lines)
      if (!line.includes("sudo")) assert.ok(line.length <= Math.max(columns, 51), line);
  }
});

test("escape sequences in what the machine says never reach the terminal", () => {
  const text = reportText(`odd ${ESCAPE}[31m`, REPORT, { columns: 80, isColoured: false });
  assert.ok(!text.includes(ESCAPE));
  assert.match(text, /\\u\{1b\}\[2J/);
});

test("a line counts what was found", () => {
  const text = reportText("here", REPORT, { columns: 80, isColoured: false });
  assert.match(text, /\nBoxes run here: 1 warning\.\n$/);
});

test("help tells the exit statuses", async () => {
  const page = (await sandrun(["help", "doctor"])).stdout.toString();
  assert.match(page, /--json/);
  assert.match(page, /0 all is fine, or hints only; 1 warnings/);
  assert.match((await sandrun(["--help"])).stdout.toString(), /sandrun doctor/);
});
