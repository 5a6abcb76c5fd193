import assert from "node:assert/strict";
import { test } from "node:test";
import { getReady, type RestParts, type Word, watchForRest } from "../src/succession.ts";
import { FakeClock } from "./fakes/clock.ts";

const REST_MS = 60_000;
const LOOK_MS = 1000;
const LEAVE_MS = 20_000;

/** A process as `watchForRest` sees it; the test changes what is under way. */
function someProcess(sleeps = false, isBroken = false) {
  const clock = new FakeClock(0);
  const said: Word[] = [];
  let go: () => void = () => undefined;
  let less: () => void = () => undefined;
  let left = 0;
  const state = {
    answers: 0,
    bodies: 1,
    requests: 1,
    connections: 0,
    ending: false,
    submitted: 0,
    atRest: true,
  };
  const traffic: RestParts["traffic"] = {
    get answers() {
      return state.answers;
    },
    get bodies() {
      return state.bodies;
    },
    get requests() {
      return state.requests;
    },
    get connections() {
      return state.connections;
    },
    endConnections: (isEnding) => {
      state.ending = isEnding;
    },
    watch: (onLess) => {
      less = onLess;
    },
  };
  const engine = {
    get submitted() {
      return state.submitted;
    },
    isAtRest: () => state.atRest,
  };
  const talk: RestParts["talk"] = {
    say: (word) => said.push(word),
    onGo: (listener) => {
      go = listener;
    },
  };
  const limits = { restMs: REST_MS, lookMs: LOOK_MS, leaveMs: LEAVE_MS };
  watchForRest({ clock, talk, traffic, engine, sleeps, isBroken, ...limits }, () => {
    left += 1;
  });
  return {
    state,
    said,
    clock,
    go: () => go(),
    /** Something is under way no longer. */
    change: (change: Partial<typeof state>) => {
      Object.assign(state, change);
      less();
    },
    left: () => left,
  };
}

test("where it is not to be replaced, one that is asked for nothing more leaves, job or not", () => {
  const some = someProcess(true);
  some.state.bodies = 0;
  some.clock.advance(REST_MS);
  assert.deepEqual(some.said, ["idle"]);
  some.go();
  assert.equal(some.left(), 1);
});

test("nor does it leave while somebody asks for its health on and on, who would wake it at once", () => {
  const some = someProcess(true);
  some.state.bodies = 0;
  for (let time = 0; time < 50; time++) {
    some.clock.advance(REST_MS / 4);
    some.state.requests += 1;
  }
  assert.deepEqual(some.said, []);
  some.clock.advance(REST_MS + LOOK_MS);
  assert.deepEqual(some.said, ["idle"]);
});

test("but one that was woken and whose boxes do not hold leaves, whoever asks: the next one tries again", () => {
  const some = someProcess(true, true);
  some.state.bodies = 0;
  for (let time = 0; time < 5; time++) {
    some.clock.advance(REST_MS / 4);
    some.state.requests += 1;
  }
  assert.deepEqual(some.said, ["idle"]);
});

/** What a successor says whose boxes do not hold. */
async function saidBroken(isAwaited: boolean): Promise<readonly Word[]> {
  const said: Word[] = [];
  const talk = { say: (word: Word) => void said.push(word), go: () => Promise.resolve() };
  const broken = { healthy: false, reason: "the layer time does not hold" };
  await getReady(talk, broken, isAwaited).catch((fault: Error) => {
    assert.equal(fault.message, broken.reason);
  });
  return said;
}

test("a successor whose boxes do not hold serves where it was woken, and never in the place of another", async () => {
  assert.deepEqual(await saidBroken(true), ["ready"]);
  assert.deepEqual(await saidBroken(false), []);
});

test("S21: but jobs are forgotten, whoever asks for its health on and on", () => {
  const some = someProcess(true);
  for (let time = 0; time < 5; time++) {
    some.clock.advance(REST_MS / 4);
    some.state.requests += 1;
  }
  assert.deepEqual(some.said, ["idle"]);
});

/** One that has asked to be replaced. */
function idleProcess() {
  const some = someProcess();
  some.clock.advance(REST_MS);
  assert.deepEqual(some.said, ["idle"]);
  return some;
}

test("a process that brought no job to anybody is never replaced", () => {
  const some = someProcess();
  some.state.bodies = 0;
  some.clock.advance(100 * REST_MS);
  assert.deepEqual(some.said, []);
});

test("asks when all has been at rest for the whole time, and not before", () => {
  const some = someProcess();
  some.clock.advance(REST_MS - LOOK_MS);
  assert.deepEqual(some.said, []);
  some.state.atRest = false;
  some.clock.advance(LOOK_MS);
  some.state.atRest = true;
  some.clock.advance(REST_MS - LOOK_MS);
  assert.deepEqual(some.said, []);
  some.clock.advance(LOOK_MS);
  assert.deepEqual(some.said, ["idle"]);
});

test("a job that came and went between two looks counts", () => {
  const some = someProcess();
  for (let time = 0; time < 20; time++) {
    some.clock.advance(REST_MS - 2 * LOOK_MS);
    some.state.submitted += 1;
    some.clock.advance(LOOK_MS);
  }
  assert.deepEqual(some.said, []);
});

test("does not ask while a body comes in", () => {
  const some = someProcess();
  some.state.answers = 1;
  some.clock.advance(2 * REST_MS);
  assert.deepEqual(some.said, []);
  some.state.answers = 0;
  some.clock.advance(LOOK_MS);
  assert.deepEqual(some.said, ["idle"]);
});

test("from then on connections end with their answer, so that a busy one holds nothing up", () => {
  const some = someProcess();
  assert.equal(some.state.ending, false);
  some.clock.advance(REST_MS);
  assert.equal(some.state.ending, true);
});

test("leaves when told to: at once if nothing is under way, and only once", () => {
  const some = idleProcess();
  assert.equal(some.left(), 0);
  some.go();
  some.go();
  some.change({});
  some.clock.advance(10 * REST_MS);
  assert.equal(some.left(), 1);
});

test("waits for answers and for connections before it leaves", () => {
  const some = idleProcess();
  some.state.answers = 1;
  some.state.connections = 2;
  some.go();
  some.change({ answers: 0 });
  some.change({ connections: 1 });
  assert.equal(some.left(), 0);
  some.change({ connections: 0 });
  assert.equal(some.left(), 1);
});

test("connections that ask for nothing hold it up for a while only, answers as long as they take", () => {
  const some = idleProcess();
  some.state.connections = 3;
  some.state.answers = 1;
  some.go();
  some.clock.advance(2 * LEAVE_MS);
  assert.equal(some.left(), 0);
  some.change({ answers: 0 });
  assert.equal(some.left(), 1);
});

test("a job that comes after it was told to leave keeps it, and it asks again later", () => {
  const some = idleProcess();
  some.state.connections = 1;
  some.go();
  some.state.submitted += 1;
  some.state.atRest = false;
  some.change({ connections: 0 });
  assert.equal(some.left(), 0);
  some.clock.advance(LOOK_MS);
  assert.deepEqual(some.said, ["idle", "busy"]);
  assert.equal(some.state.ending, false);
  some.state.atRest = true;
  some.clock.advance(REST_MS + LOOK_MS);
  assert.deepEqual(some.said, ["idle", "busy", "idle"]);
  assert.equal(some.left(), 0, "the old word is not for now");
  some.go();
  assert.equal(some.left(), 1);
});

test("a word to go that it did not ask for is nothing", () => {
  const some = someProcess();
  some.go();
  some.change({});
  some.clock.advance(REST_MS - LOOK_MS);
  assert.equal(some.left(), 0);
});

test("asks again after the same time when no successor came", () => {
  const some = idleProcess();
  some.clock.advance(REST_MS - LOOK_MS);
  assert.deepEqual(some.said, ["idle"]);
  some.clock.advance(LOOK_MS);
  assert.deepEqual(some.said, ["idle", "idle"]);
});
