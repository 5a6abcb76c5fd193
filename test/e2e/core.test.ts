/** Jobs' bytes pass through the service: when it crashes, its memory is kept from the host, too. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { childrenOf, ownWarden } from "../support/host.ts";
import { useService } from "./curl.ts";

useService();

test("S19: the service may not be dumped: a limit of 1 starts no core handler and is too little for a file", () => {
  const warden = ownWarden();
  assert.ok(warden);
  const nodes = childrenOf(warden.pid).filter((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("serve-run"),
  );
  assert.equal(nodes.length, 1);
  assert.match(readFileSync(`/proc/${nodes[0]}/limits`, "utf8"), /^Max core file size +1 +1 /m);
});
