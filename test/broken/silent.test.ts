/**
 * One layer missing, and its verification too: as if the set-up had gone wrong without a word. Then
 * programs of the hostile suite must get through, or nobody would ever see it; and the layer must be
 * missing when one looks from outside, or nothing was broken here.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LAYERS } from "../../src/core/wire.ts";
import { CASES } from "../hostile/all.ts";
import { openBoxes } from "../hostile/boxed.ts";
import type { Arena, Case } from "../hostile/case.ts";
import { run } from "../support/boxes.ts";
import { ownWarden } from "../support/host.ts";
import { layersFromOutside } from "../support/layers.ts";
import {
  BREAKABLE,
  type Breakable,
  openRunner,
  shownBy,
  UNBUILDABLE,
  useBroken,
} from "./broken.ts";

const broken = useBroken();

/** Which cases see that it is gone; many see more than is named here. */
const SEEN_BY: Readonly<Partial<Record<Breakable, readonly string[]>>> = {
  network: ["traces/sockets"],
  ipc: ["jobs/segments"],
  cgroup: ["traces/group"],
  time: ["traces/clocks"],
  root: ["jobs/locks"],
  tmpfs: ["counts/bytes", "counts/files"],
  proc: ["proc/others", "proc/unlisted"],
  uid: ["processes/everything", "privileges/ids"],
  capabilities: ["privileges/capabilities", "privileges/ids", "privileges/set-uid"],
  seccomp: ["network/families", "processes/ptrace", "privileges/unshare"],
  rlimits: ["counts/descriptors"],
  limits: ["counts/processes", "memory/anonymous"],
  masks: ["files/identity"],
  core: ["traces/core"],
  descriptors: ["files/descriptors"],
};

function casesFor(name: Breakable): readonly Case[] {
  return (SEEN_BY[name] ?? []).map((id) => {
    const found = CASES.find((one) => one.id === id);
    assert.ok(found, `there is no case ${id}`);
    return found;
  });
}

/** What is true of jobs in such boxes, by their own report and from outside. */
async function lookAt(arena: Arena) {
  const code = "import time\nprint('ready', flush=True)\ntime.sleep(600)";
  const job = await arena.begin({ code }, "ready");
  const other = await arena.begin({ code }, "ready");
  const warden = ownWarden();
  assert.ok(warden);
  const outside = layersFromOutside(warden);
  const [{ isolation }] = await Promise.all([job.stop(), other.stop()]);
  return { isolation, outside };
}

test("S15: every layer can be broken, and each is seen by a case or cannot be left out", () => {
  for (const name of BREAKABLE) {
    const ways = [casesFor(name).length > 0, UNBUILDABLE[name] !== undefined];
    assert.equal(ways.filter(Boolean).length, 1, name);
  }
});

test("S15: with every layer in place the same cases are contained, and all layers stand as reported", async () => {
  const arena = await openBoxes();
  try {
    const { isolation, outside } = await lookAt(arena);
    assert.deepEqual(isolation, [...LAYERS]);
    assert.deepEqual(outside, [...LAYERS]);
    for (const one of new Set(BREAKABLE.flatMap(casesFor))) {
      const verdict = await one.attack(arena);
      assert.equal(verdict.kind, "contained", `${one.id}: ${verdict.why}`);
    }
  } finally {
    await arena.close();
  }
});

for (const name of BREAKABLE) {
  const step = UNBUILDABLE[name];
  if (step === undefined) {
    const ids = (SEEN_BY[name] ?? []).join(", ");
    test(`S15: with ${name} silently gone, programs get through: ${ids}`, async () => {
      const arena = await openBoxes({ program: broken.program("silent", name) });
      try {
        const { isolation, outside } = await lookAt(arena);
        assert.deepEqual(isolation, [...LAYERS], "the box says that all is well");
        const others = LAYERS.filter((layer) => layer !== shownBy(name));
        assert.deepEqual(outside, others, "it is gone, and nothing else");
        for (const one of casesFor(name)) {
          const verdict = await one.attack(arena);
          assert.equal(verdict.kind, "ESCAPED", `${one.id}: ${verdict.why}`);
        }
      } finally {
        await arena.close();
      }
    });
    continue;
  }
  test(`S15: ${name} cannot be silently gone, since no box can be built without it: ${step}`, async () => {
    const runner = await openRunner(broken.program("silent", name));
    try {
      const ran = await run(runner, { code: "print(1)" });
      assert.deepEqual(ran.outcome, { kind: "sandbox_error", step });
      assert.equal(ran.stdout.length, 0);
    } finally {
      await runner.close();
    }
  });
}
