/**
 * Node's side of its own replacement; native/succession.c is the warden's and tells the whole.
 *
 * A JavaScript runtime keeps copies of what it has read, in strings and in memory that it has
 * freed, and nothing but the end of the process clears them. So once requests have brought
 * something, and then for a while nothing of any job is here and no caller owes anything, this
 * process says so, is told that a successor is ready, and leaves at a moment in which no request
 * is under way. A job that comes before that moment is taken as ever, and the successor ends.
 *
 * Requests that bring no job must not hold it up, or a caller could forbid the forgetting by asking
 * for the health of the service on and on: their connections end with the next answer, and those
 * that ask for nothing are cut after a while.
 *
 * Keeps S21 of SECURITY.md.
 */
import { type Channel, openChannel } from "./channel.ts";
import { SERVICE_LIMITS } from "./core/limits.ts";
import type { RunnerHealth } from "./core/runner.ts";
import type { Traffic } from "./http/traffic.ts";
import { type Clock, SYSTEM_CLOCK } from "./store/clock.ts";

const WORDS = { serves: "s", idle: "i", busy: "b", ready: "r" } as const;
export type Word = keyof typeof WORDS;

/** The talk with the warden: single bytes. It may end; then this process is never replaced. */
export class Talk {
  readonly #channel: Channel;

  /** @param descriptor of the socket that the warden handed over */
  constructor(descriptor: number) {
    this.#channel = openChannel(descriptor);
    this.#channel.hold(false);
  }

  say(word: Word): void {
    this.#channel.send(WORDS[word]);
  }

  /** Each byte that comes is the word to go. */
  onGo(listener: () => void): void {
    this.#channel.onData(listener);
  }

  /** Resolves with the first word to go; rejects when there will be none. */
  go(): Promise<void> {
    this.#channel.hold(true);
    return new Promise((resolve, reject) => {
      this.#channel.onClose(() => reject(new Error("the warden is gone")));
      this.#channel.onData(() => {
        this.#channel.hold(false);
        resolve();
      });
    });
  }
}

/**
 * Of a successor that has tried its boxes out: says that it is ready, and waits for its turn.
 * @param isAwaited nobody serves and somebody waits: what can be done later is, and what is wrong is
 *   told to who asks, as by a service that has just been started
 * @throws Error when boxes do not hold and somebody else serves, or the warden is gone
 */
export async function getReady(
  talk: Pick<Talk, "say" | "go">,
  { healthy, reason }: RunnerHealth,
  isAwaited: boolean,
): Promise<void> {
  if (!healthy && !isAwaited) throw new Error(reason);
  if (!isAwaited) giveBackMemory();
  talk.say("ready");
  await talk.go();
}

/**
 * Gives back what getting ready needed and serving does not: a process at rest would keep it. It
 * takes tenths of a second, so it is for a moment in which nobody waits. What is compiled goes, too,
 * a round later. Only where Node was told to let us; the script `sandrun` does.
 */
export function giveBackMemory(): void {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  }
}

/** Resolves when this process has left the listener: to its successor, or to nobody. */
export function untilReplaced(parts: {
  readonly talk: Talk;
  readonly traffic: Traffic;
  readonly engine: RestParts["engine"];
  readonly sleeps: boolean;
  readonly isBroken: boolean;
}): Promise<void> {
  const { restMs, restLookMs: lookMs, leaveMs } = SERVICE_LIMITS;
  return new Promise((resolve) => {
    watchForRest({ ...parts, clock: SYSTEM_CLOCK, restMs, lookMs, leaveMs }, () => {
      parts.traffic.leave();
      resolve();
    });
  });
}

export interface RestParts {
  readonly clock: Clock;
  readonly talk: Pick<Talk, "say" | "onGo">;
  readonly traffic: Pick<
    Traffic,
    "answers" | "bodies" | "requests" | "connections" | "endConnections" | "watch"
  >;
  readonly engine: { readonly submitted: number; isAtRest(): boolean };
  /** Whether nobody takes its place. */
  readonly sleeps: boolean;
  /** Its boxes do not hold: whoever is woken next may have better luck. */
  readonly isBroken: boolean;
  readonly restMs: number;
  readonly lookMs: number;
  readonly leaveMs: number;
}

/**
 * Watches for rest as long as this process lives.
 * @param leave called once, in the moment in which nothing is under way: before it returns the
 *   listener has to be closed
 */
export function watchForRest(parts: RestParts, leave: () => void): void {
  new Rest(parts, leave).look();
}

class Rest {
  readonly #parts: RestParts;
  readonly #leave: () => void;
  #quietSinceMs: number;
  #submitted = 0;
  #requests = 0;
  #requestedAtMs: number;
  /** The warden was told that this process is idle. */
  #hasAsked = false;
  /** Since when it is to leave. */
  #goSinceMs: number | undefined;
  #hasLeft = false;

  constructor(parts: RestParts, leave: () => void) {
    this.#parts = parts;
    this.#leave = leave;
    this.#quietSinceMs = this.#requestedAtMs = parts.clock.nowMs();
    parts.talk.onGo(() => this.#go());
    parts.traffic.watch(() => this.#leaveIfQuiet());
  }

  look(): void {
    if (this.#hasLeft) return;
    const { clock, talk, traffic, restMs, lookMs } = this.#parts;
    const nowMs = clock.nowMs();
    if (traffic.requests !== this.#requests) {
      this.#requests = traffic.requests;
      this.#requestedAtMs = nowMs;
    }
    if (!this.#isAtRest()) {
      this.#quietSinceMs = nowMs;
      this.#submitted = this.#parts.engine.submitted;
      if (this.#hasAsked) talk.say("busy");
      traffic.endConnections(false);
      this.#hasAsked = false;
      this.#goSinceMs = undefined;
    } else if (traffic.answers === 0 && nowMs - this.#idleSinceMs() >= restMs) {
      // Asked again after the same time, should the successor fail.
      this.#quietSinceMs = nowMs;
      this.#hasAsked = true;
      traffic.endConnections(true);
      talk.say("idle");
    }
    this.#leaveIfQuiet();
    clock.after(lookMs, () => this.look());
  }

  /**
   * What bodies have brought is forgotten, whatever else is asked meanwhile. Where there is nothing to
   * forget, nothing is won by a successor; and to sleep is worth it only if nobody wakes us at once, or
   * if boxes have to be tried out again: else whoever asks on and on whether they hold would forbid it.
   */
  #idleSinceMs(): number {
    const { traffic, sleeps, isBroken } = this.#parts;
    if (traffic.bodies > 0 || isBroken) return this.#quietSinceMs;
    return sleeps ? Math.max(this.#quietSinceMs, this.#requestedAtMs) : Number.POSITIVE_INFINITY;
  }

  #isAtRest(): boolean {
    const { engine } = this.#parts;
    return engine.submitted === this.#submitted && engine.isAtRest();
  }

  #go(): void {
    // A word that crossed ours, which said that there is work again.
    if (!this.#hasAsked) return;
    this.#goSinceMs ??= this.#parts.clock.nowMs();
    this.#leaveIfQuiet();
  }

  #leaveIfQuiet(): void {
    const { clock, traffic, leaveMs } = this.#parts;
    if (this.#goSinceMs === undefined || this.#hasLeft) return;
    const isPatient = clock.nowMs() - this.#goSinceMs < leaveMs;
    if (traffic.answers > 0 || (isPatient && traffic.connections > 0)) return;
    // The last look at it: from here to the closed listener nothing else can happen.
    if (!this.#isAtRest()) return;
    this.#hasLeft = true;
    this.#leave();
  }
}
