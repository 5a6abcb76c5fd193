/** Part of the composition root: the runner of a service, and what its boxes can do. */
import { setTimeout as sleep } from "node:timers/promises";
import { SERVICE_LIMITS } from "./core/limits.ts";
import type { RunnerHealth } from "./core/runner.ts";
import { describeEnvironment, type EnvironmentTree } from "./sandbox/environments.ts";
import type { Handover } from "./sandbox/handover.ts";
import { findInterpreters } from "./sandbox/interpreters.ts";
import { type SandboxOptions, SandboxRunner } from "./sandbox/runner.ts";
import { selfTest } from "./sandbox/selfTest.ts";

/** Finds out what boxes can do; until then `/health` says no and nothing is run for callers. */
export async function takeStock(
  runner: SandboxRunner,
  environments: readonly EnvironmentTree[],
): Promise<void> {
  const broken = await selfTest(runner);
  if (broken !== undefined) {
    runner.report({ healthy: false, reason: broken });
    return;
  }
  const interpreters = await findInterpreters(runner);
  const infos = [];
  for (const tree of environments) infos.push(await describeEnvironment(runner, tree));
  runner.offer({ interpreters, environments: infos });
  runner.report({ healthy: true });
}

/** The same, but a fault of ours makes the runner unhealthy. @returns it */
export async function tryStock(
  runner: SandboxRunner,
  environments: readonly EnvironmentTree[],
): Promise<RunnerHealth> {
  try {
    await takeStock(runner, environments);
  } catch (fault) {
    const reason =
      fault instanceof Error ? fault.message : "what boxes can do could not be found out";
    runner.report({ healthy: false, reason });
  }
  return runner.health();
}

export interface StockedRunner {
  readonly runner: SandboxRunner;
  /** Takes stock, and says how it went; what fails is told to the operator. */
  scout(): Promise<RunnerHealth>;
}

/**
 * The keeper has one slot more than the service uses. There boxes are tried out, while another
 * process may still use all the others.
 */
export function stockedRunner(
  handover: Handover,
  options: Omit<SandboxOptions, "onClose" | "ownSlots">,
): StockedRunner {
  const spare = handover.slots - 1;
  // The keeper is the warden's own business.
  const onClose = () => Promise.resolve();
  const ownSlots = Array.from({ length: spare }, (_, slot) => slot);
  const runner = new SandboxRunner(handover, { ...options, onClose, ownSlots });
  const scout = new SandboxRunner(handover, {
    ...options,
    onClose,
    ownSlots: [spare],
    mostWaiting: 0,
  });
  return {
    runner,
    scout: async () => {
      const health = await tryStock(scout, options.environments);
      if (!health.healthy) process.stderr.write(`sandrun: ${health.reason}\n`);
      await scout.close();
      runner.offer(scout);
      runner.report(health);
      return health;
    },
  };
}

/**
 * A box that does not die must not hold up whoever serves next: the error makes this process end as
 * if it had crashed, and then the warden ends all boxes with their keeper.
 * @throws Error when boxes are left after a while
 */
export async function closeInTime(runner: SandboxRunner): Promise<void> {
  const timer = new AbortController();
  const late = sleep(SERVICE_LIMITS.leaveMs, true, { signal: timer.signal }).catch(() => false);
  const isLate = await Promise.race([runner.close().then(() => false), late]);
  timer.abort();
  if (isLate) throw new Error("boxes did not end in time");
}
