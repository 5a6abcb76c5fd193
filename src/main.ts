/**
 * The composition root: puts together what the other rooms make. What serves is loaded only when
 * it serves, since a local run must start quickly.
 */
import { resolve } from "node:path";
import type { KeptCertificate } from "./certificate.ts";
import type { ServeConfig } from "./config.ts";
import { MCP_LIMITS } from "./core/limits.ts";
import type { Runner } from "./core/runner.ts";
import { VERSION } from "./core/version.ts";
import { extensionsOf, webFilesOf } from "./faces.ts";
import type { Listening } from "./http/server.ts";
import { type EnvironmentTree, environmentTree } from "./sandbox/environments.ts";
import { type Handover, parseHandover } from "./sandbox/handover.ts";
import { guessInterpreters } from "./sandbox/interpreters.ts";
import { SandboxRunner } from "./sandbox/runner.ts";
import { selfTest } from "./sandbox/selfTest.ts";
import { type Plan, planText, runtimeTree, startLocalWarden } from "./sandbox/warden.ts";
import { boxSlotsOf, mostWaiting, ramBudgetOf, slotsOf, usualRamBudget } from "./shares.ts";

function treesOf(environments: readonly EnvironmentTree[]): Plan["trees"] {
  const runtime = runtimeTree();
  const named = environments.map(({ directory }) => ({ kind: "named" as const, path: directory }));
  return runtime === undefined ? named : [runtime, ...named];
}

/** Place of the first named tree in the plan; the box counts from 1. */
function firstNamed(): number {
  return runtimeTree() === undefined ? 1 : 2;
}

interface LocalOptions {
  readonly environments: Readonly<Record<string, string>>;
  readonly slots?: number;
  /** Boxes made ahead; none when left out. */
  readonly mostWaiting?: number;
  /** As in SandboxOptions. */
  readonly forks?: boolean;
  /** What fails is told in the error alone. */
  readonly isQuiet?: boolean;
  /** Another build of the native part, for tests; no variable or option of ours leads here. */
  readonly program?: string;
}

/**
 * A runner for one command line: a warden of its own and a single slot.
 * @throws Error with one sentence for the user.
 */
export async function openLocalRunner(options: LocalOptions): Promise<Runner> {
  return (await startLocal(options)).runner;
}

async function startLocal(options: LocalOptions) {
  const environments = Object.entries(options.environments).map(([name, directory]) =>
    environmentTree(name, directory),
  );
  const plan: Plan = {
    slots: options.slots ?? 1,
    cpus: 1,
    memoryBytes: 0,
    trees: treesOf(environments),
  };
  const warden = await startLocalWarden(plan, options.isQuiet, options.program);
  const runner = new SandboxRunner(warden.handover, {
    cpus: 1,
    environments,
    firstEnvironment: firstNamed(),
    ...(options.mostWaiting === undefined ? {} : { mostWaiting: options.mostWaiting }),
    ...(options.forks === undefined ? {} : { forks: options.forks }),
    onClose: () => warden.close(),
  });
  // Every box checks its own layers; asking each interpreter for its version would take longer
  // than most jobs.
  runner.report({ healthy: true });
  runner.offer({
    interpreters: guessInterpreters(environments),
    environments: environments.map(({ name }) => ({ name, interpreters: [], packages: [] })),
  });
  return { runner, environments };
}

/**
 * The service for one process on this machine, without a listener: boxes of a warden of its own,
 * which ends with it.
 * @throws Error with one sentence for the user.
 */
export async function openLocalService(options: {
  readonly environments: Readonly<Record<string, string>>;
}) {
  const slots = MCP_LIMITS.localSlots;
  const { runner, environments } = await startLocal({ ...options, slots, isQuiet: true });
  const { createService } = await import("./service.ts");
  const service = createService({
    runner,
    version: VERSION,
    ramBudgetBytes: usualRamBudget(),
    maxRunning: slots,
    // All that these boxes can use: the machine is the caller's own.
    quotaCpuSeconds: 60 * slots,
    finishedMs: MCP_LIMITS.localFinishedMs,
  });
  // Beside the first jobs: what has not been asked for its version yet is offered without one.
  const { tryStock } = await import("./stock.ts");
  const stock = tryStock(runner, environments);
  return {
    fetch: async (url: string, init: RequestInit) => {
      // Whoever asks what there is gets the versions too.
      if (new URL(url).pathname === "/environments") await stock;
      return service.app.fetch(new Request(url, init));
    },
    close: async () => {
      await service.close();
      await stock;
      await runner.close();
    },
  };
}

/**
 * Builds a box as a local run does, and tries in it what is promised.
 * @returns what is wrong, in one sentence; undefined when all held
 */
export async function tryBox(): Promise<string | undefined> {
  let runner: Runner;
  try {
    runner = await openLocalRunner({ environments: {}, isQuiet: true });
  } catch (fault) {
    return fault instanceof Error ? fault.message : "the sandbox could not be set up";
  }
  try {
    return (await selfTest(runner)).broken;
  } finally {
    await runner.close();
  }
}

export async function serveHelp(): Promise<string> {
  const { describeOptions } = await import("./config.ts");
  return describeOptions();
}

async function readConfig(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<ServeConfig> {
  const { parseServeOptions } = await import("./config.ts");
  return parseServeOptions(argv, env);
}

function environmentsOf(config: ServeConfig): readonly EnvironmentTree[] {
  return config.environments.map(({ name, directory }) => environmentTree(name, directory));
}

/** Checks the options and prints what the warden is to set up. */
export async function printPlan(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const config = await readConfig(argv, env);
  const { listen, tls } = config;
  const plan: Plan = {
    // One more: there a process that is to serve next tries its boxes out, beside all others.
    slots: boxSlotsOf(config) + 1,
    cpus: config.jobCpus,
    memoryBytes: ramBudgetOf(config),
    sleeps: config.sleep,
    listen: listen.kind === "unix" ? listen : { host: listen.host ?? "::", port: listen.port },
    opens:
      tls === undefined
        ? []
        : [
            { name: "cert", path: resolve(tls.certPath) },
            { name: "key", path: resolve(tls.keyPath) },
          ],
    trees: treesOf(environmentsOf(config)),
  };
  process.stdout.write(planText(plan));
}

function announce(config: ServeConfig, at: Listening, own: KeptCertificate | undefined): void {
  const scheme = config.behindProxy ? "http" : "https";
  process.stderr.write(`sandrun: listening on ${scheme}://${at.address}\n`);
  if (own?.fingerprint === undefined) return;
  process.stderr.write(`sandrun: self-signed certificate, SHA-256 ${own.fingerprint}\n`);
}

async function untilStopped(): Promise<void> {
  const stopped = Promise.withResolvers<void>();
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => stopped.resolve());
  await stopped.promise;
}

/** Lines of one turn of the event loop go out in one call: a job has two, and each costs a call. */
function writeTogether(line: string): void {
  if (process.stdout.writableCorked === 0) {
    process.stdout.cork();
    setImmediate(() => process.stdout.uncork());
  }
  process.stdout.write(`${line}\n`);
}

/** Serves until it is told to stop, or is replaced. Started by the warden, as a uid of its own. */
export async function serve(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const config = await readConfig(argv, env);
  const handover = parseHandover(env["SANDRUN_HANDOVER"] ?? "");
  delete env["SANDRUN_HANDOVER"];
  const stock = await import("./stock.ts");
  const { runner, scout, glance } = stock.stockedRunner(handover, {
    cpus: config.jobCpus,
    environments: environmentsOf(config),
    firstEnvironment: firstNamed(),
    mostWaiting: mostWaiting(handover.slots - 1),
  });
  // Clients of Piston name versions.
  const isHurried = handover.isWoken && !config.piston;
  // Boxes are tried while the rest is loaded, in which nothing else of this process gets a turn.
  const glanced = isHurried ? glance() : undefined;
  await glanced?.begun;
  const [{ createService }, { listen }, { jsonLog }, succession, certificate] = await Promise.all([
    import("./service.ts"),
    import("./http/server.ts"),
    import("./http/log.ts"),
    import("./succession.ts"),
    import("./certificate.ts"),
  ]);
  const stopped = untilStopped();
  const log = jsonLog(writeTogether, Date.now);
  const talk = new succession.Talk(descriptorOf(handover, "talk"));
  const service = createService({
    ...config,
    slots: slotsOf(config),
    runner,
    log,
    web: await webFilesOf(config),
    version: VERSION,
    ramBudgetBytes: ramBudgetOf(config),
    ...(isHurried ? { untilOffered: scout } : {}),
    ...(await extensionsOf(config)),
  });
  const own = config.behindProxy ? undefined : certificate.certificateOf(handover);
  const tls = own === undefined ? {} : { tls: { cert: own.certPem, key: own.keyPem } };
  const fd = descriptorOf(handover, "listen");
  const health = handover.isSuccessor ? await (glanced?.health ?? scout()) : undefined;
  if (health !== undefined) await succession.getReady(talk, health, handover.isWoken);
  const listening = await listen({ ...service, log, ...tls }, { fd });
  talk.say("serves");
  log({ event: "started" });
  if (!handover.isSuccessor) {
    announce(config, listening, own);
    void scout().then(succession.giveBackMemory);
  }
  const untilLeft = succession.untilReplaced({
    talk,
    traffic: listening.traffic,
    engine: service.engine,
    sleeps: config.sleep,
    isBroken: health?.healthy === false,
  });
  await Promise.race([stopped, untilLeft]);
  log({ event: "stopping" });
  runner.report({ healthy: false, reason: "The service is shutting down." });
  // Nothing to do for one that was replaced. Callers can ask for their jobs as long as one runs.
  await service.drain();
  await listening.close();
  await service.close();
  await stock.closeInTime(runner);
}

/** @throws Error when the warden did not hand it over */
function descriptorOf(handover: Handover, name: "listen" | "talk"): number {
  const fd = handover.descriptors.get(name);
  if (fd === undefined) throw new Error(`the warden handed over no socket to ${name}`);
  return fd;
}
