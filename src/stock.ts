/** Part of the composition root: the runner of a service, and what its boxes can do. */
import { setTimeout as sleep } from "node:timers/promises";
import { SERVICE_LIMITS } from "./core/limits.ts";
import type { Runner, RunnerHealth } from "./core/runner.ts";
import { describeEnvironment, type EnvironmentTree } from "./sandbox/environments.ts";
import type { Handover } from "./sandbox/handover.ts";
import { askBox, findInterpreters, GLANCE, glancedAt } from "./sandbox/interpreters.ts";
import { type Offer, type SandboxOptions, SandboxRunner } from "./sandbox/runner.ts";
import { selfTest } from "./sandbox/selfTest.ts";

/** @param printed by GLANCE */
type Look = (
  runner: Runner,
  environments: readonly EnvironmentTree[],
  printed: string,
) => Promise<Offer>;

/** All that can be told of what boxes have; each program is started once, which takes a second or two. */
async function lookClosely(
  runner: Runner,
  environments: readonly EnvironmentTree[],
): Promise<Offer> {
  const interpreters = await findInterpreters(runner);
  const infos = [];
  for (const tree of environments) infos.push(await describeEnvironment(runner, tree));
  return { interpreters, environments: infos };
}

/** What a job can name, and no more: for a process that somebody waits for. */
async function glance(
  runner: Runner,
  environments: readonly EnvironmentTree[],
  printed: string,
): Promise<Offer> {
  const infos = [];
  for (const { name } of environments) {
    const interpreters = glancedAt(await askBox(runner, GLANCE, name));
    infos.push({ name, interpreters, packages: [] });
  }
  return { interpreters: glancedAt(printed), environments: infos };
}

/** Finds out what boxes can do; until then `/health` says no and nothing is run for callers. */
export async function takeStock(
  runner: SandboxRunner,
  environments: readonly EnvironmentTree[],
  look: Look = lookClosely,
  onStarted?: () => void,
): Promise<void> {
  const { broken, printed } = await selfTest(runner, GLANCE, onStarted);
  if (broken !== undefined) {
    runner.report({ healthy: false, reason: broken });
    return;
  }
  runner.offer(await look(runner, environments, printed));
  runner.report({ healthy: true });
}

/** The same, but a fault of ours makes the runner unhealthy. @returns it */
export async function tryStock(
  runner: SandboxRunner,
  environments: readonly EnvironmentTree[],
  look: Look = lookClosely,
  onStarted?: () => void,
): Promise<RunnerHealth> {
  try {
    await takeStock(runner, environments, look, onStarted);
  } catch (fault) {
    const reason =
      fault instanceof Error ? fault.message : "what boxes can do could not be found out";
    runner.report({ healthy: false, reason });
  }
  return runner.health();
}

export interface Glanced {
  /** Resolves when boxes are being tried, and this process can do something else meanwhile. */
  readonly begun: Promise<unknown>;
  readonly health: Promise<RunnerHealth>;
}

export interface StockedRunner {
  readonly runner: SandboxRunner;
  /** Takes stock, once, and says how it went; what fails is told to the operator. */
  scout(): Promise<RunnerHealth>;
  /** The same without versions, in a moment; it is to be called before `scout`, which tells them. */
  glance(): Glanced;
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
  const lookAround = async (look: Look, onStarted?: () => void) => {
    const health = await tryStock(scout, options.environments, look, onStarted);
    if (!health.healthy) process.stderr.write(`sandrun: ${health.reason}\n`);
    runner.offer(scout);
    runner.report(health);
    return health;
  };
  const lookAtAll = async () => {
    const health = await lookAround(lookClosely);
    await scout.close();
    return health;
  };
  let looked: Promise<RunnerHealth> | undefined;
  return {
    runner,
    scout: () => {
      looked ??= lookAtAll();
      return looked;
    },
    glance: () => {
      const started = Promise.withResolvers<void>();
      const health = lookAround(glance, started.resolve);
      return { begun: Promise.race([started.promise, health]), health };
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
