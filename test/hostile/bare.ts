/**
 * The same programs without a box, beside a parent as careless as a first attempt at such a service:
 * it leaves a directory open and its secrets in the environment, waits for the end of
 * the output, and collects what it finds by name, through links too. What a case does here shows
 * that it can tell a box from none.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Outcome } from "../../src/core/job.ts";
import { ENTRYPOINTS, type Job } from "../support/boxes.ts";
import type { Arena, Ended } from "./case.ts";
import { pidsWith } from "./host.ts";
import { naiveService, type RunningService } from "./services.ts";

const MARK = "HOSTILE_BARE";
const COLLECTED_BYTES = 1 << 20;
const COLLECTED_FILES = 2000;
const OUTPUT_ENDS_MS = 4000;

type Printed = Readonly<Record<"stdout" | "stderr", Buffer[]>>;

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  python3: ["/usr/bin/python3", "main.py"],
  node: [process.execPath, "main.js"],
  bash: ["/bin/bash", "main.sh"],
  gcc: ["/bin/sh", "-c", 'gcc -O2 -pipe -pthread -o main main.c && exec ./main "$@"', "sh"],
};

interface Place {
  readonly mark: string;
  readonly directory: string;
}

async function prepare(job: Job): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-bare-"));
  const entrypoint = ENTRYPOINTS[job.interpreter ?? "python3"] ?? "main";
  await writeFile(join(directory, entrypoint), job.code);
  for (const path of job.directories ?? []) mkdirSync(join(directory, path), { recursive: true });
  for (const { path, bytes } of job.files ?? []) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), bytes);
  }
  return { mark: randomUUID(), directory };
}

function spawnIn(place: Place, job: Job): ChildProcess {
  const [command = "", ...words] = COMMANDS[job.interpreter ?? "python3"] ?? [];
  const left = openSync("/", "r");
  try {
    return spawn(command, [...words, ...(job.args ?? [])], {
      cwd: place.directory,
      env: { ...process.env, ...job.env, [MARK]: place.mark },
      stdio: ["pipe", "pipe", "pipe", left],
    });
  } finally {
    closeSync(left);
  }
}

/** Follows whatever is there, as collectors did that were broken by it. */
async function collect(directory: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const walk = async (below: string): Promise<void> => {
    for (const name of readdirSync(join(directory, below))) {
      const path = join(below, name);
      const status = statSync(join(directory, path), { throwIfNoEntry: false });
      if (files.size >= COLLECTED_FILES || path.split("/").length > 5) return;
      if (status?.isDirectory()) await walk(path);
      if (!status?.isFile() || status.size > COLLECTED_BYTES) continue;
      files.set(path, await readFile(join(directory, path)));
    }
  };
  await walk("").catch(() => undefined);
  return files;
}

function outcomeOf(status: number | null, signal: string | null): Outcome {
  if (signal !== null) return { kind: "signalled", signal };
  return { kind: "exited", exitCode: status ?? -1 };
}

/** What is left of it anywhere, by the mark in its environment. */
function sweep(place: Place): void {
  for (const pid of pidsWith("environ", place.mark)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  rmSync(place.directory, { recursive: true, force: true });
}

/** What it prints, and where `mark` is told once. */
function streamsOf(child: ChildProcess, mark: string, onMark: (text: string) => void) {
  const printed: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.on("data", (chunk: Buffer) => {
      printed[stream].push(chunk);
      if (mark !== "" && chunk.includes(mark)) onMark(Buffer.concat(printed[stream]).toString());
    });
  }
  return printed;
}

/** The end of its output, which its children may keep open, but not for ever. */
function endOf(child: ChildProcess): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve(outcomeOf(status, signal)));
    child.once("exit", (status, signal) => {
      setTimeout(() => resolve(outcomeOf(status, signal)), OUTPUT_ENDS_MS).unref();
    });
  });
}

async function follow(child: ChildProcess, place: Place, job: Job, printed: Printed) {
  const begunMs = performance.now();
  const timer = setTimeout(() => child.kill("SIGKILL"), (job.timeoutSeconds ?? 60) * 1000);
  const outcome = await endOf(child).finally(() => clearTimeout(timer));
  const ended: Ended = {
    outcome,
    stdout: Buffer.concat(printed.stdout),
    stderr: Buffer.concat(printed.stderr),
    files: await collect(place.directory),
    isolation: [],
    peakBytes: Number.MAX_SAFE_INTEGER,
    cpuMs: Number.MAX_SAFE_INTEGER,
    wallMs: performance.now() - begunMs,
  };
  return ended;
}

function launch(place: Place, job: Job, mark: string, onMark: (text: string) => void) {
  const child = spawnIn(place, job);
  child.stdin?.on("error", () => undefined).end(job.stdin ?? "");
  return { child, ended: follow(child, place, job, streamsOf(child, mark, onMark)) };
}

export function openBare(): Promise<Arena> {
  const places: Place[] = [];
  let service: Promise<RunningService> | undefined;
  const start = async (job: Job, mark: string, onMark: (text: string) => void) => {
    const place = await prepare(job);
    places.push(place);
    return launch(place, job, mark, onMark);
  };
  return Promise.resolve({
    isBox: false,
    run: async (job) => (await start(job, "", () => undefined)).ended,
    begin: async (job, mark) => {
      const ready = Promise.withResolvers<string>();
      const { child, ended } = await start(job, mark, ready.resolve);
      const tooEarly = ended.then(({ stdout, stderr }) => {
        throw new Error(`ended too early: ${stdout} ${stderr}`);
      });
      tooEarly.catch(() => undefined);
      const said = await Promise.race([ready.promise, tooEarly]);
      const stop = () => {
        child.kill("SIGKILL");
        return ended;
      };
      return { said, ended, stop };
    },
    service: async () => {
      service ??= naiveService();
      return (await service).at;
    },
    close: async () => {
      await service?.then((running) => running.stop());
      for (const place of places) sweep(place);
    },
  });
}
