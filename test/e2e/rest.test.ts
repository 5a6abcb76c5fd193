/** What a service that has nothing to do takes from its machine. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf, ownWardens } from "../support/host.ts";
import { IS_LEAN } from "../support/program.ts";
import { startService } from "./curl.ts";

const MOST_BYTES = 20e6;
const MOST_ASLEEP_BYTES = 4e6;
const PLAIN = ["-H", "Content-Type: text/plain"];

function bytesOf(pid: number, kind: "Private_Dirty" | "Private_Clean" | "Rss"): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(new RegExp(`^${kind}: *(\\d+) kB`, "m").exec(text)?.[1]) * 1024;
}

/** Memory that a process has written and shares with no other; pages of files are the machine's. */
function writtenBytes(pid: number): number {
  return bytesOf(pid, "Private_Dirty");
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8");
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** Mount namespaces that a process holds by a descriptor, and the one that it is in. */
function mountsOf(pid: number): { readonly held: readonly string[]; readonly own: string } {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  return {
    held: links.filter((link) => link.startsWith("mnt:")),
    own: readlinkSync(`/proc/${pid}/ns/mnt`),
  };
}

/** A service, and a job for it. */
async function startToUse(options: readonly string[]) {
  const service = await startService(options);
  const warden = ownWardens().find(({ pid }) => pid === service.pid);
  assert.ok(warden);
  return {
    service,
    warden,
    use: async () => {
      const run = `${service.url}/run`;
      assert.equal(await service.curl("--data-binary", "print(6 * 7)", run, ...PLAIN), "42\n");
    },
  };
}

// Both wait for a minute.
describe("at rest", { concurrency: 2 }, () => {
  test("all processes of a service at rest have written less than 20 MB", async (t) => {
    const { service, warden, use } = await startToUse(IS_LEAN ? ["--no-sleep"] : []);
    try {
      const node = () => childrenOf(warden.pid).find((pid) => commandOf(pid).includes("serve-run"));
      const first = node();
      assert.ok(first !== undefined);
      await use();
      // Whoever served it is replaced after a minute; what waited for more of its kind has gone by then.
      while (childrenOf(warden.pid).includes(first) || node() === undefined) await sleep(20);
      const keeper = childrenOf(warden.pid).find((pid) => pid !== node());
      assert.ok(keeper !== undefined);
      // Those of the slot on which the successor tried its boxes out go seconds later.
      while (mountsOf(keeper).held.length > 1 || childrenOf(keeper).length > 0) await sleep(20);
      const { held, own } = mountsOf(keeper);
      assert.deepEqual(held, [own], "the keeper is in the mounts of a slot");
      const pids = [warden.pid, ...descendantsOf(warden.pid)];
      const sizes = pids.map(writtenBytes);
      t.diagnostic(sizes.map((bytes) => `${(bytes / 1e6).toFixed(2)} MB`).join(", "));
      assert.equal(pids.length, 3, "warden, keeper and Node");
      const all = sizes.reduce((sum, bytes) => sum + bytes, 0);
      assert.ok(all < MOST_BYTES, `${all} bytes`);
    } finally {
      await service.stop();
    }
  });

  test("those of one that sleeps, as the lean build does unless it is told not to, less than 4 MB, with every page of a file that they alone have", async (t) => {
    const { service, warden, use } = await startToUse(IS_LEAN ? [] : ["--sleep"]);
    try {
      await use();
      while (childrenOf(warden.pid).length > 1) await sleep(20);
      const asleep = [warden.pid, ...descendantsOf(warden.pid)];
      const sum = (kind: Parameters<typeof bytesOf>[1]) =>
        asleep.reduce((all, pid) => all + bytesOf(pid, kind), 0);
      const written = sum("Private_Dirty");
      const own = written + sum("Private_Clean");
      t.diagnostic(
        `written ${(written / 1e6).toFixed(2)} MB, with pages of files ${(own / 1e6).toFixed(2)}, resident ${(sum("Rss") / 1e6).toFixed(2)}`,
      );
      assert.equal(asleep.length, 2, "warden and keeper");
      assert.ok(own < MOST_ASLEEP_BYTES, `${own} bytes`);
    } finally {
      await service.stop();
    }
  });
});
