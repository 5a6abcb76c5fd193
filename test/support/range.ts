/** What a warden leaves on this host, seen while nobody else has its range of ids. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import type { TestContext } from "node:test";
import { groupsOf, isAlive, processesOf, until, type WardenOnHost } from "./host.ts";

/**
 * To be called before the warden is stopped. The next warden that starts, any test's, takes the lowest
 * range that is free (native/range.c), and what is that one's would be taken for something that was
 * left. So a process stands in line for the lock of the range, and has it while this looks. Where a
 * warden is quicker all the same, the look comes when that one has ended.
 * @returns waits until the warden has ended and tells what is still there of it: processes, groups
 *   and its runtime directory
 */
export async function remainsOf(
  context: TestContext,
  warden: WardenOnHost,
): Promise<() => Promise<string[]>> {
  const heir = spawn("/usr/bin/flock", ["--no-fork", warden.lock, "cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  context.after(() => heir.kill("SIGKILL"));
  await once(heir, "spawn");
  const inherited = once(heir.stdout, "data");
  heir.stdin.write("mine");
  await until("somebody stands in line for the range", () => isAtLock(heir.pid ?? 0));
  return async () => {
    await until("the warden ends", () => !isAlive(warden.pid));
    await inherited;
    const remains = [
      ...processesOf(warden).map((pid) => `process ${pid}`),
      ...groupsOf(warden),
      ...(existsSync(warden.directory) ? [warden.directory] : []),
    ];
    const ended = once(heir, "exit");
    heir.stdin.end();
    await ended;
    return remains;
  };
}

/** It waits for a lock of a whole file, or has it. */
function isAtLock(pid: number): boolean {
  const line = new RegExp(`FLOCK +ADVISORY +WRITE +${pid} `);
  return line.test(readFileSync("/proc/locks", "utf8"));
}
