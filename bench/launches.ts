/** Programs started without us: bare, and by other sandboxes where they are installed. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What runs in all boxes that have the host's programs, ours and theirs. */
export const TRUE = "/usr/bin/true";

const FORKED = fileURLToPath(new URL("forked.py", import.meta.url));

export interface Launched {
  /** From the first start to the last end, divided by their number. */
  readonly eachMs: number;
  readonly perSecond: number;
  /** User and system time of one, as its parent sees it. */
  readonly cpuMs: number;
}

export interface Launcher {
  /** A small static program that does nothing. */
  readonly probe: string;
  /** A tiny one that prints the clock of its first instruction. */
  readonly first: string;
  /**
   * Makes boxes by the keeper's socket, uses and destroys them.
   * @param job all that is sent to each; its first frame's slot is set to that of the maker
   */
  boxes(count: number, atOnce: number, keeper: string, job: Uint8Array): Promise<Launched>;
  launch(count: number, atOnce: number, command: readonly string[]): Promise<Launched>;
  /** Forks of one Python, each of which prints a number and ends as a program does. */
  forkPython(count: number, atOnce: number): Promise<Launched>;
  /** Sandboxes on this machine that run that program, by name. */
  readonly peers: ReadonlyMap<string, readonly string[]>;
  close(): void;
}

export function openLauncher(): Launcher {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-bench-"));
  const probe = compiled(directory, "probe", ["-static", "-D_GNU_SOURCE"]);
  const first = compiled(directory, "first", [
    ...["-static", "-nostdlib", "-fno-stack-protector", "-fcf-protection=none"],
    ...["-Wl,-z,noseparate-code", "-Wl,--build-id=none"],
  ]);
  return {
    probe,
    first,
    peers: findPeers(directory, probe),
    launch: (count, atOnce, command) => measured(probe, "launch", count, atOnce, command),
    forkPython: (count, atOnce) => reported("/usr/bin/python3", [FORKED], count, atOnce),
    boxes: (count, atOnce, keeper, job) => {
      const file = join(directory, "job");
      writeFileSync(file, job);
      return measured(probe, "boxes", count, atOnce, [keeper, file]);
    },
    close: () => rmSync(directory, { recursive: true }),
  };
}

function compiled(directory: string, name: string, options: readonly string[]): string {
  const program = join(directory, name);
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  execFileSync("gcc", ["-O2", "-s", ...options, "-o", program, source]);
  return program;
}

function measured(
  probe: string,
  what: "launch" | "boxes",
  count: number,
  atOnce: number,
  words: readonly string[],
): Promise<Launched> {
  return reported(probe, [what], count, atOnce, words);
}

/** Runs what tells how long all of it took, and its CPU time. */
async function reported(
  program: string,
  first: readonly string[],
  count: number,
  atOnce: number,
  words: readonly string[] = [],
): Promise<Launched> {
  const { stdout } = await run(program, [...first, `${count}`, `${atOnce}`, ...words]);
  const [tookNs = 0, cpuNs = 0] = stdout.split(" ").map(Number);
  return {
    eachMs: tookNs / count / 1e6,
    perSecond: (count / tookNs) * 1e9,
    cpuMs: cpuNs / count / 1e6,
  };
}

function isHere(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((place) => existsSync(`${place}/${program}`));
}

/** Each as near to our boxes as it goes without a configuration of its own. */
function findPeers(directory: string, probe: string): ReadonlyMap<string, readonly string[]> {
  const commands: Readonly<Record<string, () => readonly string[]>> = {
    bwrap: () => [
      ...["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1"],
      ...["--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib"],
      ...["--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"],
      ...["--tmpfs", "/tmp", "--tmpfs", "/work", "--chdir", "/work", TRUE],
    ],
    firejail: () => ["firejail", "--quiet", "--noprofile", "--net=none", "--seccomp", TRUE],
    crun: () => containerCommand("crun", directory, probe),
    runc: () => containerCommand("runc", directory, probe),
  };
  const found = Object.entries(commands).filter(([name]) => isHere(name));
  return new Map(found.map(([name, command]) => [name, command()]));
}

/** A container is named by who starts it; the launcher starts one command only, so a shell names. */
function containerCommand(runtime: string, directory: string, probe: string): readonly string[] {
  const bundle = join(directory, runtime);
  mkdirSync(join(bundle, "rootfs"), { recursive: true });
  execFileSync("cp", [probe, join(bundle, "rootfs/probe")]);
  const namespaces = ["pid", "mount", "network", "ipc", "uts"].map((type) => ({ type }));
  const config = {
    ociVersion: "1.0.2",
    process: { args: ["/probe"], cwd: "/", user: { uid: 0, gid: 0 }, noNewPrivileges: true },
    root: { path: "rootfs", readonly: true },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: { namespaces },
  };
  writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
  return ["sh", "-c", `exec ${runtime} run --bundle ${bundle} bench-$$`];
}
