/** Who comes: many by chance, some in bursts, and those who mean harm. */
import type { Caller } from "../../src/core/caller.ts";
import type { Want } from "./world.ts";

const HONEST = 1_000_000;
const MEAN_CPU_MS = 200;

export type Arrivals = (nowMs: number, stepMs: number) => readonly Want[];

/** The same numbers every time. */
export function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const alone = (key: string): Caller => ({ key, group: undefined });

/** Jobs a second of a million callers, by chance (Poisson), of exponential length. */
export function byChance(perSecond: number, random: () => number): Arrivals {
  let nextMs = 0;
  return (nowMs, stepMs) => {
    const wants: Want[] = [];
    while (nextMs < nowMs + stepMs) {
      nextMs += (-Math.log(1 - random()) * 1000) / perSecond;
      const cpuMs = -Math.log(1 - random()) * MEAN_CPU_MS;
      wants.push({ caller: alone(`c${Math.floor(random() * HONEST)}`), cpuMs, isCounted: true });
    }
    return wants;
  };
}

/** Every few seconds somebody new brings twenty jobs at once. */
export function inBursts(everyMs: number, random: () => number): Arrivals {
  return (nowMs, stepMs) => {
    if (Math.floor(nowMs / everyMs) === Math.floor((nowMs - stepMs) / everyMs)) return [];
    const caller = alone(`burst${Math.floor(random() * HONEST)}`);
    return Array.from({ length: 20 }, () => ({ caller, cpuMs: MEAN_CPU_MS, isCounted: false }));
  };
}

const MANY_MS = 3_600_000;

/** One caller who always has as many hogs waiting as can be. */
export const hogs: Arrivals = () =>
  Array.from({ length: 20 }, () => ({ caller: alone("evil"), cpuMs: MANY_MS, isCounted: false }));

/** One caller who sends a thousand jobs a second that do next to nothing. */
export const tiny: Arrivals = (_, stepMs) =>
  Array.from({ length: stepMs }, () => ({ caller: alone("evil"), cpuMs: 1, isCounted: false }));

/** Callers, enough to fill all slots, who hold what they can get and sleep. */
export function sleepers(callers: number): Arrivals {
  const all = Array.from({ length: callers }, (_, i) => ({
    caller: alone(`evil${i}`),
    cpuMs: 1,
    sleepMs: MANY_MS,
    isCounted: false,
  }));
  return (nowMs) => (nowMs % 1000 === 0 ? all : []);
}

/** Somebody who has a whole /48, and sends a hog from each of its 65,536 networks in turn. */
export function wholeNetwork(): Arrivals {
  let network = 0;
  return () =>
    Array.from({ length: 50 }, () => {
      network = (network + 1) % 65_536;
      return {
        caller: { key: `evil${network}`, group: "evil" },
        cpuMs: MANY_MS,
        isCounted: false,
      };
    });
}

export function together(...all: readonly Arrivals[]): Arrivals {
  return (nowMs, stepMs) => all.flatMap((one) => one(nowMs, stepMs));
}
