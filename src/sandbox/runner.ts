/** The Runner of this machine: slots, boxes, outputs. */
import { type SandboxFault as Fault, SandboxFault } from "../core/errors.ts";
import { NO_USAGE, type Outcome } from "../core/job.ts";
import { BOX_LIMITS } from "../core/limits.ts";
import type { EnvironmentInfo, InterpreterInfo } from "../core/offer.ts";
import type {
  Finished,
  JobSpec,
  Outputs,
  RunEvents,
  Runner,
  RunnerHealth,
} from "../core/runner.ts";
import { Box } from "./box.ts";
import { type Chooser, chooserFor, collect, NO_OUTPUTS, OutputLimit } from "./collect.ts";
import type { EnvironmentTree } from "./environments.ts";
import { Groups } from "./groups.ts";
import type { Handover } from "./handover.ts";
import { type Ended, runInBox } from "./oneJob.ts";
import { Slots } from "./slots.ts";

/** How long listing and reading the outputs of one job may take. */
const COLLECT_MS = 120_000;

export interface SandboxOptions {
  /** Cores that a job gets. */
  readonly cpus: number;
  /** Named trees, in the order in which the warden's plan lists them. */
  readonly environments: readonly EnvironmentTree[];
  /** Place of the first named tree in the plan: trees that every box has come before. */
  readonly firstEnvironment: number;
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

export class SandboxRunner implements Runner {
  readonly slots: number;
  readonly #handover: Handover;
  readonly #options: SandboxOptions;
  readonly #slots: Slots;
  readonly #groups: Groups;
  #offer: Offer = { interpreters: [], environments: [] };
  #health: RunnerHealth = { healthy: false, reason: "the self-test has not run yet" };

  constructor(handover: Handover, options: SandboxOptions) {
    this.slots = handover.slots;
    this.#handover = handover;
    this.#options = options;
    this.#slots = new Slots(handover.slots);
    this.#groups = new Groups(handover.cgroups);
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

  health(): RunnerHealth {
    return this.#health;
  }

  close(): Promise<void> {
    return this.#options.onClose();
  }

  async run(spec: JobSpec, events: RunEvents, signal: AbortSignal): Promise<Finished> {
    let slot: number;
    try {
      slot = await this.#slots.lease(signal);
    } catch {
      return this.#unrun({ kind: signal.reason === "evicted" ? "evicted" : "cancelled" });
    }
    try {
      const box = await Box.build(this.#handover.keeper, this.#requestFor(slot, spec));
      return await this.#runOn(box, slot, spec, events, signal);
    } catch (error) {
      this.#slots.release(slot);
      return this.#unrun({ kind: "sandbox_error", step: faultOf(error).step });
    }
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

  #requestFor(slot: number, spec: JobSpec) {
    const name = spec.manifest.environment;
    const index = this.#options.environments.findIndex((tree) => tree.name === name);
    if (name !== undefined && index === -1) throw new SandboxFault("find the environment");
    return {
      slot,
      environment: index === -1 ? 0 : this.#options.firstEnvironment + index,
      ...BOX_LIMITS,
    };
  }

  async #runOn(
    box: Box,
    slot: number,
    spec: JobSpec,
    events: RunEvents,
    signal: AbortSignal,
  ): Promise<Finished> {
    const { isolation } = box;
    // The slot is free again only when the keeper has waited for the box.
    const release = async () => {
      await box.destroy();
      this.#slots.release(slot);
    };
    const isOutput = chooserFor(spec.input, spec.manifest.outputs);
    let ended: Ended;
    try {
      const { cpus, environments } = this.#options;
      const index = environments.findIndex(({ name }) => name === spec.manifest.environment);
      const kind = this.#handover.trees[this.#options.firstEnvironment - 1 + index];
      const place = {
        box,
        slot,
        groups: this.#groups,
        cpus,
        hasTree: index !== -1 && kind === "named",
      };
      ended = await runInBox(place, spec, events, signal);
    } catch (error) {
      await release();
      return { ...this.#unrun({ kind: "sandbox_error", step: faultOf(error).step }), isolation };
    }
    return { isolation, ...(await this.#collectFrom(box, isOutput, ended, release)) };
  }

  async #collectFrom(box: Box, isOutput: Chooser, ended: Ended, release: () => Promise<void>) {
    const { outcome } = ended;
    // The files of a failed job go at once.
    if (outcome.kind !== "exited" || outcome.exitCode !== 0) {
      await release();
      return { ...ended, outputs: NO_OUTPUTS };
    }
    const timer = setTimeout(() => void box.destroy(), COLLECT_MS);
    try {
      const outputs: Outputs = await collect(box, isOutput, release);
      return { ...ended, outputs };
    } catch (error) {
      await release();
      const failed: Outcome =
        error instanceof OutputLimit
          ? { kind: "output_limit" }
          : { kind: "sandbox_error", step: faultOf(error).step };
      return { ...ended, outcome: failed, outputs: NO_OUTPUTS };
    } finally {
      clearTimeout(timer);
    }
  }
}
