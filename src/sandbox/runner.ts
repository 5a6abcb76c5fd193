/** The Runner of this machine: slots, boxes, outputs. */
import { type SandboxFault as Fault, SandboxFault } from "../core/errors.ts";
import { NO_USAGE, type Outcome } from "../core/job.ts";
import type { EnvironmentInfo, InterpreterInfo } from "../core/offer.ts";
import type {
  Finished,
  JobSpec,
  Outputs,
  RunEvents,
  Runner,
  RunnerHealth,
} from "../core/runner.ts";
import type { StopSignal } from "../core/stop.ts";
import type { Box } from "./box.ts";
import {
  type Chooser,
  chooserFor,
  choosingMs,
  collect,
  NO_OUTPUTS,
  OutputLimit,
} from "./collect.ts";
import type { EnvironmentTree } from "./environments.ts";
import { Groups } from "./groups.ts";
import type { Handover } from "./handover.ts";
import { HELD_FRESH_MS, heldProgramFor, hostHolds, kindOf, parseKind } from "./held.ts";
import { BoxMaker } from "./maker.ts";
import { type Ended, runInBox } from "./oneJob.ts";
import { BoxPool, type Leased } from "./pool.ts";
import { Slots } from "./slots.ts";

/** How long listing and reading the outputs of one job may take. */
const COLLECT_MS = 120_000;
/** After a program could not be held. */
const HOLD_AGAIN_MS = 60_000;

export interface SandboxOptions {
  /** Cores that a job gets. */
  readonly cpus: number;
  /** Named trees, in the order in which the warden's plan lists them. */
  readonly environments: readonly EnvironmentTree[];
  /** Place of the first named tree in the plan: trees that every box has come before. */
  readonly firstEnvironment: number;
  /** Boxes made before a job asks for them, at most; none when left out. */
  readonly mostWaiting?: number;
  /** Plain jobs of some languages get boxes of a template, when boxes are made ahead at all; true when left out. */
  readonly forks?: boolean;
  /** Those of the keeper's slots that are this runner's; all of them when left out. */
  readonly ownSlots?: readonly number[];
  /** Ends what this runner was given, its own warden for example. */
  readonly onClose: () => Promise<void>;
}

/** What a runner offers; found out by running the interpreters in boxes. */
export interface Offer {
  readonly interpreters: readonly InterpreterInfo[];
  readonly environments: readonly EnvironmentInfo[];
}

function faultOf(error: unknown): Fault {
  return error instanceof SandboxFault
    ? error
    : new SandboxFault("run the job", 0, { cause: error });
}

/** Why there is no box for a job. */
function unbuilt(error: unknown, signal: StopSignal): Outcome {
  if (!signal.aborted) return { kind: "sandbox_error", step: faultOf(error).step };
  return { kind: signal.reason === "evicted" ? "evicted" : "cancelled" };
}

/** What is sent is overwritten; a second try needs it again. */
function withOwnStdin(spec: JobSpec): JobSpec {
  return { ...spec, manifest: { ...spec.manifest, stdin: spec.manifest.stdin.slice() } };
}

export class SandboxRunner implements Runner {
  readonly slots: number;
  readonly #handover: Handover;
  readonly #options: SandboxOptions;
  readonly #pool: BoxPool<Box>;
  readonly #maker: BoxMaker;
  readonly #groups: Groups;
  readonly #canHold: boolean;
  /** Until then programs are started when their job comes, since one could not be held. */
  #holdsFromMs = 0;
  #offer: Offer = { interpreters: [], environments: [] };
  #health: RunnerHealth = { healthy: false, reason: "the self-test has not run yet" };

  constructor(handover: Handover, options: SandboxOptions) {
    const ownSlots = options.ownSlots ?? Array.from({ length: handover.slots }, (_, slot) => slot);
    this.slots = ownSlots.length;
    this.#handover = handover;
    this.#options = options;
    this.#groups = new Groups(handover.cgroups);
    this.#canHold = (options.mostWaiting ?? 0) > 0 && hostHolds();
    this.#maker = new BoxMaker({
      keeper: handover.keeper,
      cpus: options.cpus,
      forks: options.forks ?? true,
    });
    this.#pool = new BoxPool({
      slots: new Slots(ownSlots),
      mostWaiting: options.mostWaiting ?? 0,
      build: (slot, kind) => this.#maker.make(slot, kind),
      freshMs: (kind) =>
        parseKind(kind).held === undefined ? Number.POSITIVE_INFINITY : HELD_FRESH_MS,
      nowMs: () => performance.now(),
    });
  }

  get interpreters(): readonly InterpreterInfo[] {
    return this.#offer.interpreters;
  }

  get environments(): readonly EnvironmentInfo[] {
    return this.#offer.environments;
  }

  /** From now on jobs can name these. */
  offer(offer: Offer): void {
    this.#offer = offer;
  }

  report(health: RunnerHealth): void {
    this.#health = health;
  }

  memoryBytes(enough: number): number {
    return this.#groups.memoryBytes(enough);
  }

  health(): RunnerHealth {
    return this.#health;
  }

  async close(): Promise<void> {
    await this.#pool.close();
    await this.#maker.close();
    this.#groups.close();
    await this.#options.onClose();
  }

  async run(spec: JobSpec, events: RunEvents, signal: StopSignal): Promise<Finished> {
    let leased: Leased<Box>;
    try {
      leased = await this.#take(spec, signal);
    } catch (error) {
      return this.#unrun(unbuilt(error, signal));
    }
    let started = false;
    const onStarted: RunEvents["onStarted"] = (running) => {
      started = true;
      events.onStarted(running);
    };
    const mayFail = leased.hasWaited || leased.box.holds;
    const tried = mayFail ? withOwnStdin(spec) : spec;
    const finished = await this.#runOn(leased, tried, { ...events, onStarted }, signal);
    // It died while it waited, with its keeper for example, and nothing of the job has run.
    const again = mayFail && !started && finished.outcome.kind === "sandbox_error";
    if (again && leased.box.holds) this.#holdNoMore();
    return again ? this.run(spec, events, signal) : finished;
  }

  #unrun(outcome: Outcome): Finished {
    return {
      outcome,
      usage: NO_USAGE,
      isolation: [],
      droppedBytes: { stdout: 0, stderr: 0 },
      outputs: NO_OUTPUTS,
    };
  }

  async #take(spec: JobSpec, signal: StopSignal): Promise<Leased<Box>> {
    const environment = this.#environmentOf(spec);
    const mayHold = this.#canHold && performance.now() >= this.#holdsFromMs;
    const held = mayHold ? heldProgramFor(spec) : undefined;
    try {
      return await this.#pool.take(kindOf(environment, held), signal);
    } catch (error) {
      if (held === undefined || signal.aborted) throw error;
      this.#holdNoMore();
      return this.#pool.take(kindOf(environment, undefined), signal);
    }
  }

  #holdNoMore(): void {
    this.#holdsFromMs = performance.now() + HOLD_AGAIN_MS;
  }

  /** @returns the index of a tree of the plan + 1, 0 = none */
  #environmentOf(spec: JobSpec): number {
    const name = spec.manifest.environment;
    if (name === undefined) return 0;
    const index = this.#options.environments.findIndex((tree) => tree.name === name);
    if (index === -1) throw new SandboxFault("find the environment");
    return this.#options.firstEnvironment + index;
  }

  async #runOn(
    leased: Leased<Box>,
    spec: JobSpec,
    events: RunEvents,
    signal: StopSignal,
  ): Promise<Finished> {
    const { slot, release } = leased;
    const { box } = leased;
    const { isolation } = box;
    const choosing = { steps: 0 };
    const isOutput = chooserFor(spec.input, spec.manifest.outputs, choosing);
    const kind = this.#handover.trees[this.#environmentOf(spec) - 1];
    const { cpus } = this.#options;
    const place = {
      box,
      slot,
      groups: this.#groups,
      cpus,
      hasTree: kind === "named",
      isHeld: box.holds,
    };
    let ended: Ended;
    let beforeMs: number;
    try {
      beforeMs = this.#groups.boxCpuMs(slot);
      ended = await runInBox(place, spec, events, signal);
    } catch (error) {
      await release();
      return { ...this.#unrun({ kind: "sandbox_error", step: faultOf(error).step }), isolation };
    }
    const collected = await this.#collectFrom(leased, isOutput, ended);
    const boxCpuMs = this.#boxCpuMsSince(slot, beforeMs) + choosingMs(choosing);
    return { isolation, ...collected, boxCpuMs };
  }

  /** The end of a job is told, whatever the kernel does not tell. */
  #boxCpuMsSince(slot: number, beforeMs: number): number {
    try {
      return Math.max(0, this.#groups.boxCpuMs(slot) - beforeMs);
    } catch {
      return 0;
    }
  }

  async #collectFrom(leased: Leased<Box>, isOutput: Chooser, ended: Ended) {
    const { slot, release } = leased;
    const { box } = leased;
    const { outcome } = ended;
    // All processes of the job are dead. That the box dies, too, is nothing to wait for here: whoever
    // destroys the outputs waits for it, and its slot is used again only then.
    const gone = { ...NO_OUTPUTS, destroy: release };
    // The files of a failed job go at once.
    if (outcome.kind !== "exited" || outcome.exitCode !== 0) {
      void release();
      return { ...ended, outputs: gone };
    }
    const timer = setTimeout(() => void box.destroy(), COLLECT_MS);
    try {
      const outputs: Outputs = await collect(box, isOutput, release);
      if (!outputs.holdsBox) return { ...ended, outputs };
      const boxBytes = () => this.#groups.memoryBytes(0, slot);
      return { ...ended, outputs: { ...outputs, boxBytes } };
    } catch (error) {
      void release();
      const failed: Outcome =
        error instanceof OutputLimit
          ? { kind: "output_limit" }
          : { kind: "sandbox_error", step: faultOf(error).step };
      return { ...ended, outcome: failed, outputs: gone };
    } finally {
      clearTimeout(timer);
    }
  }
}
