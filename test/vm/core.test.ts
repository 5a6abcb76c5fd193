/**
 * A core handler behind a pipe gets the memory of whatever crashes, as root of the host, whatever
 * namespaces it is in. The machine's pattern names one that keeps all it gets in /run/cores.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, unlinkSync, watch } from "node:fs";
import { test } from "node:test";
import { openLocalRunner } from "../../src/main.ts";
import { useBroken } from "../broken/broken.ts";
import { run, useRunner } from "../support/boxes.ts";
import { onHost } from "../support/host.ts";

const CORES = "/run/cores";
const broken = useBroken();
const runner = useRunner(1);

function cores(): string[] {
  return readdirSync(CORES).filter((name) => !name.endsWith(".part"));
}

/** Resolves when one more crash has reached the handler. */
async function oneMore(before: number): Promise<void> {
  const watcher = watch(CORES);
  try {
    for (;;) {
      const changed = new Promise((resolve) => watcher.once("change", resolve));
      if (cores().length > before) return;
      await changed;
    }
  } finally {
    watcher.close();
  }
}

const RAISE = `
import os, resource
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(resource.getrlimit(resource.RLIMIT_CORE))
`;

test("S19: the memory of a crashing job does not reach a core handler of the host", async () => {
  assert.match(readFileSync("/proc/sys/kernel/core_pattern", "utf8"), /^\|/);
  const count = cores().length;
  for (const signal of ["SIGSEGV", "SIGABRT", "SIGQUIT"]) {
    const code = `import os, signal\nos.kill(os.getpid(), signal.${signal})`;
    const { outcome } = await run(runner(), { code });
    assert.deepEqual(outcome, { kind: "signalled", signal });
  }
  // A crash outside goes the whole way; what came before it would have come before.
  const outside = await onHost("/bin/sh", ["-c", "ulimit -c unlimited; kill -SEGV $$"]);
  assert.equal(outside.signal, "SIGSEGV");
  await oneMore(count);
  assert.equal(cores().length, count + 1);
});

test("S19: a job cannot raise its core limit to be dumped", async () => {
  const code = `${RAISE}\nimport signal\nos.kill(os.getpid(), signal.SIGSEGV)`;
  const count = cores().length;
  const { outcome, stdout } = await run(runner(), { code });
  assert.deepEqual(outcome, { kind: "signalled", signal: "SIGSEGV" });
  assert.match(stdout.toString(), /^\(1, 1\)\n$/);
  await onHost("/bin/sh", ["-c", "ulimit -c unlimited; kill -SEGV $$"]);
  await oneMore(count);
  assert.equal(cores().length, count + 1);
});

test("S19: with the core limit silently gone, the memory of a crashing job is there", async () => {
  const program = broken.program("silent", "core");
  const loose = await openLocalRunner({ slots: 1, environments: {}, program });
  try {
    const before = cores();
    const code = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)";
    const { outcome } = await run(loose, { code });
    assert.deepEqual(outcome, { kind: "signalled", signal: "SIGSEGV" });
    await oneMore(before.length);
    const [name = "", ...others] = cores().filter((one) => !before.includes(one));
    assert.equal(others.length, 0);
    // An id of a box, neither root nor whoever runs this.
    const id = Number(name.split(".")[0]);
    assert.ok(id >= 100_000, name);
    assert.match(name, /!usr!bin!python3/);
    unlinkSync(`${CORES}/${name}`);
  } finally {
    await loose.close();
  }
});
