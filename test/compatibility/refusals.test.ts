/** Where a box differs from a machine, programs are told so at once, in the words of the system. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { useRunner } from "../support/boxes.ts";
import { inside } from "./both.ts";

const runner = useRunner(1);
const REFUSED = "PermissionError|[Errno 1] Operation not permitted";

test("python is refused every socket and what rests on one, and goes on", async () => {
  const command = "python3 refused.py";
  const said = (await inside(runner(), { files: ["refused.py"], command })).split("\n");
  const families = ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"];
  for (const name of [...families, "connect", "listener", "forkserver"])
    assert.ok(said.includes(`${name}|${REFUSED}`), `${name}: ${said.join("\n")}`);
  assert.ok(said.includes("manager|EOFError|"), said.join("\n"));
  assert.deepEqual(said.slice(-4), ["pool [1, 2]", "pair 1 b'x'", "done", ""]);
});

test("the manager's own process says what it was refused", async () => {
  const code = "import multiprocessing as m\nm.Manager()";
  const command = `python3 -c '${code}' 2>&1 || true`;
  const said = await inside(runner(), { files: [], command });
  assert.match(said, /socket[\s\S]*PermissionError: \[Errno 1\] Operation not permitted/);
});

test("python finds no accounts, but a name, a home and the box's limits", async () => {
  const command = "python3 refused.py";
  const said = (await inside(runner(), { files: ["refused.py"], command })).split("\n");
  for (const line of [
    "passwd|PermissionError|[Errno 13] Permission denied: '/etc/passwd'",
    "uid|KeyError|'getpwuid(): uid not found: 1000'",
    "gid|KeyError|'getgrgid(): gid not found: 1000'",
    "user sandrun /tmp sandrun 1000",
    "limits (256, 256) (1, 1)",
  ])
    assert.ok(said.includes(line), `${line}: ${said.join("\n")}`);
});

test("node is refused sockets by name of the call, and goes on", async () => {
  const said = await inside(runner(), { files: ["refused.mjs"], command: "node refused.mjs" });
  assert.doesNotMatch(said, /allowed/);
  for (const name of ["listen", "listen on a path", "connect", "fetch", "datagram"])
    assert.match(said, new RegExp(`^${name} EPERM`, "m"), said);
  assert.match(said, /^interfaces ERR_SYSTEM_ERROR uv_interface_addresses$/m, said);
  assert.match(said, /^child 0\ndone$/m);
});
