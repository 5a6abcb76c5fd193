/**
 * Boxes that lack one layer on purpose. They come from a build of the native part that is made for
 * these tests alone; native/breakable.h says how, native/test/broken.c what is left out.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { LAYERS } from "../../src/core/wire.ts";
import { SandboxRunner } from "../../src/sandbox/runner.ts";
import { startLocalWarden } from "../../src/sandbox/warden.ts";
import { onHost } from "../support/host.ts";

export const NATIVE = fileURLToPath(new URL("../../native", import.meta.url));
const PROGRAM = `${NATIVE}/build/sandrun-native-broken`;

/** Promised beside the layers, and the layer by which its absence shows. */
export const OTHERS = { masks: "proc", core: "rlimits", descriptors: "root" } as const;

export type Breakable = (typeof LAYERS)[number] | keyof typeof OTHERS;
export const BREAKABLE: readonly Breakable[] = [...LAYERS, "masks", "core", "descriptors"];

/**
 * A kernel that is asked for a box without one of these refuses a later step of the set-up, whatever
 * the verification says: such a box cannot exist, so nothing can run in it.
 */
export const UNBUILDABLE: Readonly<Partial<Record<Breakable, string>>> = {
  // Ids can be mapped once, and those of the keeper's namespace are.
  user: "write the box's gid_map",
  // /proc shows a PID namespace, and belongs to who owns it: the keeper.
  pid: "mount /proc",
  // The keeper's mounts are not the box's to change.
  mount: "make mounts private",
  // The keeper's name is not the box's to change.
  uts: "set the host name",
  // Without it only a privileged process may take a filter, and the program's is none.
  no_new_privs: "install the syscall filter",
};

/** The layer that a box without it reports as missing. */
export function shownBy(name: Breakable): (typeof LAYERS)[number] {
  return name === "masks" || name === "core" || name === "descriptors" ? OTHERS[name] : name;
}

export interface Broken {
  /**
   * The program in which that is left out.
   * @param manner missing: verified as in the product; silent: the box says that it holds
   */
  program(manner: "missing" | "silent", name: Breakable): string;
}

/** Builds the program before the tests of a file; two files at once wait for each other. */
export function useBroken(): Broken {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-broken-"));
  before(async () => {
    const words = ["make", "-s", "-j2", "-C", NATIVE, "build/sandrun-native-broken"];
    const made = await onHost("flock", [`${NATIVE}/Makefile`, ...words]);
    if (made.status !== 0) throw new Error(made.stderr);
  });
  after(() => rmSync(directory, { recursive: true }));
  return {
    program: (manner, name) => {
      const path = join(directory, `${manner}-${name}`);
      // Core files are allowed, as most service managers allow them.
      const lines = [
        "#!/bin/sh",
        'ulimit -S -c "$(ulimit -H -c)"',
        `SANDRUN_BREAK='${manner} ${name}' exec '${PROGRAM}' "$@"`,
      ];
      writeFileSync(path, `${lines.join("\n")}\n`, { mode: 0o755 });
      return path;
    },
  };
}

/** A runner as the service has it: it has not found out yet whether boxes hold. */
export async function openRunner(program: string): Promise<SandboxRunner> {
  const plan = { slots: 2, cpus: 1, memoryBytes: 0, trees: [] };
  const warden = await startLocalWarden(plan, true, program);
  return new SandboxRunner(warden.handover, {
    cpus: 1,
    environments: [],
    firstEnvironment: 1,
    onClose: () => warden.close(),
  });
}
