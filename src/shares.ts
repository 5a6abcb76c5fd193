/** Of the machine's memory: what jobs get, and how many slots that makes. */
import { freemem, totalmem } from "node:os";
import type { ServeConfig } from "./config.ts";
import { SERVICE_LIMITS } from "./core/limits.ts";

/** Memory for jobs when the operator names none: half of the machine, at most what is free. */
export function usualRamBudget(): number {
  const usual = Math.min(totalmem() / 2, freemem());
  return Math.floor(Math.max(usual, SERVICE_LIMITS.ramBudgetLeastBytes));
}

export function ramBudgetOf(config: ServeConfig): number {
  return Math.floor(config.ramBudgetBytes ?? usualRamBudget());
}

export function slotsOf(config: ServeConfig): number {
  const byMemory = Math.floor(ramBudgetOf(config) / SERVICE_LIMITS.bytesPerSlot);
  return config.slots ?? Math.max(1, Math.min(byMemory, SERVICE_LIMITS.slotsMost));
}

/** Slots of the keeper: beside those of running jobs some for boxes that are kept for their outputs. */
export function boxSlotsOf(config: ServeConfig): number {
  const running = slotsOf(config);
  const kept = Math.ceil(running / SERVICE_LIMITS.runningToKept);
  return Math.min(running + kept, SERVICE_LIMITS.slotsMost);
}

/** Each holds a slot, and slots follow memory: what waits never takes more than its share of both. */
export function mostWaiting(slots: number): number {
  return Math.min(SERVICE_LIMITS.waitingBoxes, Math.floor(slots / SERVICE_LIMITS.ramShare));
}
