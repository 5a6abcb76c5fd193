/** Completion scripts, tried in the shells that they are for. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { sandrun } from "./harness.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandrun-completion-"));
  await writeFile(join(folder, "hello world.py"), "");
  for (const shell of ["bash", "zsh", "fish"]) {
    const { status, stdout } = await sandrun(["completion", shell]);
    assert.equal(status, 0);
    await writeFile(join(folder, `completion.${shell}`), stdout);
  }
});
after(() => rm(folder, { recursive: true }));

/** What a shell prints; it must be silent on stderr. */
async function said(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder, TERM: "dumb", LC_ALL: "C.UTF-8" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.equal(stderr, "");
  return stdout;
}

/** What bash offers for the last of these words. */
async function inBash(...words: readonly string[]): Promise<string[]> {
  const script = `. ./completion.bash
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_sandrun
for word in "\${COMPREPLY[@]}"; do echo "$word"; done`;
  const printed = await said("bash", ["--norc", "-c", script, "bash", ...words]);
  return printed.split("\n").filter((line) => line !== "");
}

async function inFish(line: string): Promise<string[]> {
  const printed = await said("fish", [
    "--no-config",
    "-c",
    "source ./completion.fish; complete -C $argv[1]",
    line,
  ]);
  return printed.split("\n").map((row) => row.split("\t")[0] ?? "");
}

/** The line as zsh completes it; `wanted` is a pattern that the line must come to match. */
async function inZsh(line: string, wanted: string): Promise<string> {
  const script = `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1= RPS1=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; . ./completion.zsh; echo rea""dy'
zpty -r shell got '*ready*' || exit 1
zpty -n -w shell "$1"$'\\t'
zpty -r -m shell got "*$2*" && echo completed
zpty -d shell`;
  return await said("zsh", ["-f", "-c", script, "zsh", line, wanted]);
}

test("bash completes commands, options, languages and files", async () => {
  assert.deepEqual(await inBash("sandrun", "sub"), ["submit"]);
  assert.deepEqual(await inBash("sandrun", "submit", "--la"), ["--lang"]);
  assert.deepEqual(await inBash("sandrun", "--lang", "pyth"), ["python3"]);
  assert.deepEqual(await inBash("sandrun", "completion", "z"), ["zsh"]);
  assert.ok((await inBash("sandrun", "help", "")).includes("download"));
  assert.ok((await inBash("sandrun", "hel")).includes("hello world.py"));
  assert.deepEqual(await inBash("sandrun", "--timeout", "5", "hello world.py", "--la"), []);
  assert.deepEqual(await inBash("sandrun", "--server", ""), []);
});

test("fish completes commands, options and languages", async () => {
  assert.ok((await inFish("sandrun sub")).includes("submit"));
  assert.ok((await inFish("sandrun submit --la")).includes("--lang"));
  assert.ok((await inFish("sandrun --lang pyth")).includes("python3"));
  assert.ok((await inFish("sandrun completion z")).includes("zsh"));
});

test("zsh completes commands, options and languages", async () => {
  assert.match(await inZsh("sandrun submi", "submit"), /completed/);
  assert.match(await inZsh("sandrun submit --lan", "--lang"), /completed/);
  assert.match(await inZsh("sandrun --lang pytho", "python3"), /completed/);
});

test("every command that dispatches is offered, and no other shell is guessed", async () => {
  const { stdout } = await sandrun(["completion", "bash"]);
  for (const name of ["submit", "status", "logs", "outputs", "download", "cancel", "doctor"])
    assert.match(stdout.toString(), new RegExp(`^    ${name}\\) `, "m"));
  for (const words of [[], ["csh"], ["bash", "zsh"]]) {
    const { status, stderr } = await sandrun(["completion", ...words]);
    assert.equal(status, 125);
    assert.match(stderr, /bash, zsh or fish/);
  }
});
