/** Fills all slots of the service at once, as jobs that come one after the other do not: they take those that were used last. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { SERVICE_LIMITS } from "../../src/core/limits.ts";
import type { Caller } from "./caller.ts";
import type { Counted } from "./counted.ts";
import { KINDS } from "./kinds.ts";

/** Boxes that a service keeps beside so many running jobs. */
const keptBeside = (running: number) => Math.ceil(running / SERVICE_LIMITS.runningToKept);

/**
 * Runs a job on every slot that the service gives to jobs: what is kept for a slot's next box is there
 * behind that, in warden, keeper and Node.
 * @param callers as many as jobs may run
 */
export async function fillSlots(callers: readonly Caller[], counted: Counted): Promise<void> {
  const keeping = callers.slice(0, keptBeside(callers.length));
  const kept = await Promise.all(keeping.map(keepBox));
  const running = await Promise.all(callers.map((caller) => hold(caller, counted)));
  if (new Set(running.map(({ slot }) => slot)).size < callers.length) {
    throw new Error("the jobs that were to fill the slots have not run at the same time");
  }
  for (const { caller, id } of [...kept, ...running]) {
    const status = await caller.destroy(id);
    if (status !== 204) throw new Error(`a job that was to fill a slot is gone: ${status}`);
  }
}

interface Holding {
  readonly caller: Caller;
  readonly id: string;
}

/** Its outputs are too many for the shelf, so the box stays until somebody takes them. */
async function keepBox(caller: Caller): Promise<Holding> {
  const kind = KINDS.find(({ fate }) => fate === "downloaded");
  const id = await caller.submit(kind?.body ?? {});
  while ((await caller.status(id)).outcome === undefined) await sleep(50);
  return { caller, id };
}

/** Resolves when its program runs. */
async function hold(
  caller: Caller,
  counted: Counted,
): Promise<Holding & { readonly slot: number }> {
  const word = randomUUID();
  const id = await caller.submit({ code: "sleep 300", interpreter: "sh", args: [word] });
  for (;;) {
    const slot = counted.slotOf(word);
    if (slot !== undefined) return { caller, id, slot };
    const { outcome } = await caller.status(id);
    if (outcome !== undefined) throw new Error(`it has ended: ${JSON.stringify(outcome)}`);
    await sleep(50);
  }
}
