/** What the boxes of one slot use one after the other tells none of them of another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { say, useRunner } from "../support/boxes.ts";

const runner = useRunner(1);

const LOCK = `
import fcntl, os
def lock(path, how=0):
    fd = os.open(path, os.O_RDONLY)
    try: fcntl.flock(fd, fcntl.LOCK_EX | how)
    except BlockingIOError: return None
    return fd
`;
/** One lock in a process that outlives the program, one in sockets that hold each other and that nobody can reach. */
const LEAVE = `${LOCK}
import array, socket, time
ready, other = os.pipe()
if os.fork() == 0:
    lock("/usr/bin/env")
    os.write(other, b"x")
    time.sleep(600)
os.read(ready, 1)
one, two = socket.socketpair()
for end, fd in ((one, lock("/usr/bin/dash")), (one, two.fileno()), (two, one.fileno())):
    end.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
print(os.stat("/usr").st_dev)
`;
const TAKE = `${LOCK}
print(os.stat("/usr").st_dev)
for path in ("/usr/bin/env", "/usr/bin/dash"): print(lock(path, fcntl.LOCK_NB) is not None)
`;

test("S10: locks that a job leaves on files of the system are gone for the next job on its slot", async () => {
  const left = await say(runner(), LEAVE);
  const [device, ...locks] = (await say(runner(), TAKE)).trim().split("\n");
  assert.equal(device, left.trim(), "both had the same file system");
  assert.deepEqual(locks, ["True", "True"]);
});
