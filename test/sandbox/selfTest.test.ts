import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../../src/core/job.ts";
import type { Runner } from "../../src/core/runner.ts";
import { NO_OUTPUTS } from "../../src/sandbox/collect.ts";
import { findInterpreters, GLANCE, glancedAt } from "../../src/sandbox/interpreters.ts";
import { selfTest } from "../../src/sandbox/selfTest.ts";
import { useRunner } from "../support/boxes.ts";

const runner = useRunner(1);

test("a real box keeps every promise of the self-test", async () => {
  assert.equal((await selfTest(runner())).broken, undefined);
});

test("its box tells on the side what a close look finds, without the versions", async () => {
  const seen = glancedAt((await selfTest(runner(), GLANCE)).printed);
  const found = await findInterpreters(runner());
  const namesOf = (all: typeof found) => all.map(({ name }) => name);
  assert.deepEqual(namesOf(seen), namesOf(found));
  assert.deepEqual(new Set(seen.map(({ version }) => version)), new Set(["unknown"]));
});

/** A runner whose box prints that, whatever it is asked; keeps what it was asked. */
function answering(printed: string, outcome: Outcome = { kind: "exited", exitCode: 0 }) {
  const asked: string[] = [];
  const fake: Runner = {
    slots: 1,
    interpreters: [],
    environments: [],
    memoryBytes: () => 0,
    health: () => ({ healthy: true }),
    close: () => Promise.resolve(),
    run: (spec, events) => {
      asked.push(...spec.input.files.map(({ bytes }) => new TextDecoder().decode(bytes)));
      events.onPrinted({ stream: "stdout", bytes: new TextEncoder().encode(printed) });
      return Promise.resolve({
        outcome,
        usage: { cpuMs: 0, memoryPeakBytes: 0, wallMs: 0 },
        isolation: [],
        droppedBytes: { stdout: 0, stderr: 0 },
        outputs: NO_OUTPUTS,
      });
    },
  };
  return { fake, asked };
}

test("S15: a promise that does not hold is named", async () => {
  const { fake, asked } = answering("broken 0\nbroken 3\nwhole\n");
  assert.match((await selfTest(fake)).broken ?? "", /this promise does not hold here: host files/);
  assert.match(asked.join(""), /\/etc\/passwd/);
});

test("S15: a self-test that did not come to its end is not passed", async () => {
  assert.match((await selfTest(answering("").fake)).broken ?? "", /did not run to its end/);
  const faults: readonly Outcome[] = [
    { kind: "sandbox_error", step: "mount /usr" },
    { kind: "timed_out" },
    { kind: "out_of_memory" },
  ];
  for (const outcome of faults) {
    const { broken: said } = await selfTest(answering("whole\n", outcome).fake);
    assert.match(said ?? "", outcome.kind === "sandbox_error" ? /mount \/usr/ : /ended as/);
  }
});
