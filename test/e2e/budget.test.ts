/** When all boxes together reach the memory budget, the kernel chooses among them and not the service. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { useService } from "./curl.ts";

const service = useService("--ram-budget", "256M", "--max-running", "4");

test("S5: a job that takes the whole budget dies, its neighbour and the service live", async () => {
  const { json, url } = service();
  const run = (code: string) => {
    const body = JSON.stringify({ code, timeout: 30 });
    return json("-H", "Content-Type: application/json", "-d", body, `${url}/run`);
  };
  // 512 MB is what each may have; the two together have 256.
  const small = run("import time; x = bytearray(20 << 20); time.sleep(3); print(len(x))");
  const large = await run("x = bytearray(400 << 20)");
  assert.deepEqual(large["outcome"], { kind: "out_of_memory" });
  assert.equal((await small)["output"], `${20 << 20}\n`);
  assert.equal((await json(`${url}/health`))["status"], "healthy");
  assert.equal((await run("print(1)"))["output"], "1\n");
});
