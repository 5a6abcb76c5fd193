/**
 * One job in one box, from the slot to its outcome.
 *
 * The box enforces the wall-clock limit and relays; the CPU limit and stopping from outside are
 * decided here. Whatever is decided, the box is asked to kill and answers EXITED when every
 * process is dead; one that does not answer in time is destroyed. The first cause wins.
 *
 * Keeps S8 and S16 of SECURITY.md.
 */
import { constants } from "node:os";
import { SandboxFault } from "../core/errors.ts";
import {
  NO_USAGE,
  type Outcome,
  type PrintedChunk,
  type StopCause,
  type Usage,
} from "../core/job.ts";
import { findLanguage } from "../core/languages.ts";
import { MIB, TRANSFER_LIMITS } from "../core/limits.ts";
import type { Manifest } from "../core/manifest.ts";
import type { JobSpec, RunEvents } from "../core/runner.ts";
import type { StopSignal } from "../core/stop.ts";
import {
  decodeExited,
  decodeNumbers,
  decodePrinted,
  type Exited,
  encodeStart,
  FRAME,
} from "../core/wire.ts";
import type { Box } from "./box.ts";
import { boxEnv } from "./boxEnv.ts";
import type { Groups } from "./groups.ts";
import { RunningBox } from "./runningBox.ts";

/** How often the CPU limit is looked at. */
const CPU_SAMPLE_MS = 50;
/** How long files may take into the box. */
const INPUT_MS = 60_000;
/** How long after a kill or the deadline the box may take to say that all are dead. */
const DEATH_MS = 10_000;

export interface Ended {
  readonly outcome: Outcome;
  readonly usage: Usage;
  readonly droppedBytes: { readonly stdout: number; readonly stderr: number };
}

type OwnCause = StopCause | "cpu_limit";

export interface Place {
  readonly box: Box;
  readonly groups: Groups;
  readonly slot: number;
  readonly cpus: number;
  /** Something is mounted at /env. */
  readonly hasTree: boolean;
  /** The program was started and waits for its file. */
  readonly isHeld: boolean;
}

function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `SIG${number}`;
}

function outcomeOf(exited: Exited, ownCause: OwnCause | undefined, place: Place): Outcome {
  if (exited.cause === "wall") return { kind: "timed_out" };
  if (exited.cause === "killed") return { kind: ownCause ?? "cancelled" };
  const killed = exited.signal === constants.signals.SIGKILL;
  if (exited.cause === "oom" || (killed && place.groups.oomKills(place.slot) > 0)) {
    return { kind: "out_of_memory" };
  }
  if (exited.signal !== 0) return { kind: "signalled", signal: signalName(exited.signal) };
  return { kind: "exited", exitCode: exited.exitCode };
}

/** Asks the box to kill for the first reason that comes, and destroys it when it does not. */
class Stopper {
  readonly #box: Box;
  readonly #running: RunningBox;
  readonly #timers: NodeJS.Timeout[] = [];
  cause: OwnCause | undefined;

  constructor(box: Box, running: RunningBox) {
    this.#box = box;
    this.#running = running;
  }

  stop(cause: OwnCause): void {
    if (this.cause !== undefined) return;
    this.cause = cause;
    this.#running.letDie();
    void this.#box.send(FRAME.kill);
    this.destroyAfter(DEATH_MS);
  }

  destroyAfter(milliseconds: number): void {
    this.#timers.push(setTimeout(() => this.#destroy(), milliseconds));
  }

  #destroy(): void {
    this.#running.letDie();
    void this.#box.destroy();
  }

  /** From the program's start on. */
  watch({ timeoutSeconds, cpuSeconds }: Manifest): void {
    this.clear();
    const wallMs = timeoutSeconds * 1000;
    // The box kills at the deadline by itself.
    const deadline = () => {
      this.#running.letDie();
      this.destroyAfter(DEATH_MS);
    };
    this.#timers.push(setTimeout(deadline, wallMs));
    if (cpuSeconds === undefined) return;
    const sample = () => {
      try {
        if (this.#running.cpuMs() >= cpuSeconds * 1000) this.stop("cpu_limit");
      } catch {
        // A limit that cannot be watched is no limit.
        this.#destroy();
      }
    };
    this.#timers.push(setInterval(sample, CPU_SAMPLE_MS));
  }

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.length = 0;
  }
}

function startOf(spec: JobSpec, place: Place): Uint8Array {
  const { manifest } = spec;
  const { cpus } = place;
  const language = findLanguage(manifest.interpreter);
  if (language === undefined) throw new SandboxFault("find the interpreter");
  return encodeStart({
    mergeStreams: spec.mergeStreams,
    terminal: manifest.tty,
    wallMs: Math.ceil(manifest.timeoutSeconds * 1000),
    printedBytes: TRANSFER_LIMITS.printedBytes,
    memoryBytes: manifest.memoryMb * MIB,
    cpus: Math.ceil(cpus),
    argv: place.isHeld
      ? []
      : language.command(manifest.entrypoint, manifest.args, manifest.memoryMb),
    env: place.isHeld ? {} : boxEnv(place.hasTree, Math.ceil(cpus), manifest.env, manifest.tty),
  });
}

/** The end of a terminal's input is typed, so somebody must be there to read it. */
function mayReadInput({ stdin, interactive, tty }: Manifest): boolean {
  return interactive || tty || stdin.length > 0;
}

/** Reads what the box tells until the job has ended. */
async function follow(
  place: Place,
  spec: JobSpec,
  events: RunEvents,
  { stopper, running }: { readonly stopper: Stopper; readonly running: RunningBox },
): Promise<Exited> {
  let started = false;
  for (;;) {
    const frame = place.box.held() ?? (await place.box.next());
    if (frame.type === FRAME.printed) {
      const chunk: PrintedChunk = decodePrinted(frame.payload);
      events.onPrinted(chunk);
    } else if (frame.type === FRAME.stdinCredit) {
      running.feeder.grant(decodeNumbers(frame.payload)[0] ?? 0);
    } else if (frame.type === FRAME.started) {
      started = true;
      // A job that was stopped on its way here has less time left to die.
      if (stopper.cause === undefined) stopper.watch(spec.manifest);
      events.onStarted(running);
    } else if (frame.type === FRAME.ending) {
      running.letDie();
    } else if (frame.type === FRAME.exited) {
      const exited = decodeExited(frame.payload);
      // Out of memory while its files were unpacked is the job's own end; a death is ours.
      if (!started && place.isHeld) throw new SandboxFault("start a held program");
      if (!started && exited.cause === "itself" && place.groups.oomKills(place.slot) === 0) {
        throw new SandboxFault("start the program");
      }
      return exited;
    } else throw new SandboxFault("understand the box");
  }
}

/**
 * Runs the job in a box that is ready, until every process of it is dead.
 * @throws SandboxFault when the sandbox failed before the job was in the box.
 */
export async function runInBox(
  place: Place,
  spec: JobSpec,
  events: RunEvents,
  signal: StopSignal,
): Promise<Ended> {
  const { box, groups, slot } = place;
  const start = startOf(spec, place);
  groups.limit(slot, { memoryBytes: spec.manifest.memoryMb * MIB, cpus: place.cpus });
  const running = new RunningBox(box, groups, slot, place.cpus, spec.manifest.tty);
  const hasInput = mayReadInput(spec.manifest);
  if (hasInput) void running.writeStdin(spec.manifest.stdin);
  else running.feeder.endBefore();
  if (!spec.manifest.interactive) running.endStdin();
  const stopper = new Stopper(box, running);
  const onAbort = () => stopper.stop(signal.reason === "evicted" ? "evicted" : "cancelled");
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    stopper.destroyAfter(INPUT_MS);
    void box.sendJob(spec.input, start, hasInput);
    const exited = await follow(place, spec, events, { stopper, running });
    return {
      outcome: outcomeOf(exited, stopper.cause, place),
      usage: {
        cpuMs: running.cpuMs(),
        memoryPeakBytes: groups.memoryPeakBytes(slot),
        wallMs: exited.wallMs,
      },
      droppedBytes: { stdout: exited.droppedStdout, stderr: exited.droppedStderr },
    };
  } catch (fault) {
    running.letDie();
    await box.destroy();
    // A box that was stopped while its files came in refuses the rest; the cause is ours.
    const outcome: Outcome =
      stopper.cause === undefined ? faultOutcome(fault) : { kind: stopper.cause };
    return { outcome, usage: usageOf(place, running), droppedBytes: { stdout: 0, stderr: 0 } };
  } finally {
    stopper.clear();
    running.end();
    signal.removeEventListener("abort", onAbort);
  }
}

/** What it used is on its caller's bill, however it ended, even if the kernel tells no more. */
function usageOf({ groups, slot }: Place, running: RunningBox): Usage {
  try {
    const memoryPeakBytes = groups.memoryPeakBytes(slot);
    return { ...NO_USAGE, cpuMs: running.cpuMs(), memoryPeakBytes };
  } catch {
    return { ...NO_USAGE, cpuMs: running.lastCpuMs() };
  }
}

function faultOutcome(fault: unknown): Outcome {
  const step = fault instanceof SandboxFault ? fault.step : "run the job";
  return { kind: "sandbox_error", step };
}
