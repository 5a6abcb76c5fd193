/**
 * What the kernel counts for one user, all boxes and root of the host share unless it is bounded:
 * no job can take it all. Each of these was taken by one job once.
 */
import assert from "node:assert/strict";
import { statfsSync } from "node:fs";
import { test } from "node:test";
import { begin, say, useRunner } from "../support/boxes.ts";
import { pythonOnHost } from "../support/host.ts";

const runner = useRunner(2);

const TRY = `
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
def watcher(): return libc.inotify_init1(0) >= 0
def terminal(): return os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY) >= 0
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
def signal_of_ours(): return libc.sigqueue(os.getpid(), 40, None) == 0
def attempt(what):
    try: return what()
    except OSError: return False
`;
/** Takes as many of one thing as it gets, by many processes, and holds them. */
const TAKE = (what: string) => `${TRY}
import sys, time
taken, ends = 0, []
for _ in range(20):
    own, other = os.pipe()
    if os.fork() == 0:
        count = 0
        while count < 200000 and attempt(${what}): count += 1
        os.write(other, b"%d\\n" % count)
        time.sleep(600)
    os.close(other)
    taken += int(os.read(own, 100))
    os.close(own)
print("taken", taken, "ready", flush=True)
time.sleep(600)
`;
const GETS = (what: string) => `${TRY}\nprint(attempt(${what}))`;

for (const [what, name, most] of [
  ["watcher", "watcher of files", 8],
  ["terminal", "terminal", 32],
  ["signal_of_ours", "pending signal", 256],
] as const) {
  test(`S10: a job that takes every ${name} it can get leaves some to other jobs and to the host`, async () => {
    const greedy = await begin(runner(), { code: TAKE(what) }, "ready");
    const taken = Number(/taken (\d+)/.exec(greedy.said)?.[1]);
    assert.ok(taken > 0 && taken <= most, `it got ${taken}`);
    assert.equal(await say(runner(), GETS(what)), "True\n");
    assert.equal((await pythonOnHost(GETS(what))).stdout, "True\n");
    await greedy.stop();
  });
}

test("S17: a job does not see how full the disk of the host is", async () => {
  const code = "import os\nfor place in ('/usr', '/opt/node'): print(os.statvfs(place).f_blocks)";
  const host = statfsSync("/usr").blocks;
  for (const line of (await say(runner(), code)).trim().split("\n")) {
    assert.notEqual(Number(line), host);
  }
});

test("S9: bytes printed one by one come in few pieces, and all of them come", async () => {
  let pieces = 0;
  const code = "import os\nfor _ in range(100000): os.write(1, b'a')";
  const printed = await say(runner(), { code, onPrinted: () => pieces++ });
  assert.equal(printed, "a".repeat(100_000));
  assert.ok(pieces < 1_000, `${pieces} pieces`);
});
