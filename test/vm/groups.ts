/** The v2 groups of a runner's slot, as the host sees them. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ownWarden } from "../support/host.ts";

const TOP = "/sys/fs/cgroup";

function groupsBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      const path = join(directory, name);
      return [path, ...groupsBelow(path)];
    });
}

/** The group of this process's own warden. */
export function ownGroup(): string {
  const warden = ownWarden();
  assert.ok(warden, "this process has a warden");
  const name = `sandrun-${process.getuid?.()}-${warden.range}`;
  const found = groupsBelow(TOP).filter((path) => path.endsWith(`/${name}`));
  assert.equal(found.length, 1, `${name} is there once: ${found}`);
  return found[0] ?? "";
}

export function isThere(group: string): boolean {
  return existsSync(group);
}

export function textOf(group: string, file: string): string {
  return readFileSync(join(group, file), "utf8").trim();
}

/** One number of a file such as memory.events. */
export function fieldOf(group: string, file: string, name: string): number {
  const value = new RegExp(`^${name} (\\d+)$`, "m").exec(textOf(group, file))?.[1];
  assert.ok(value, `${file} has ${name}`);
  return Number(value);
}
