/** `--watch`: runs again whenever what is run has changed, and says what did. */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname, resolve, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { shown } from "../core/words.ts";
import { cannotRead } from "./bounded.ts";
import { isDirectory } from "./gather.ts";
import type { Io } from "./io.ts";
import { tell } from "./io.ts";
import { EXIT, errorSentence } from "./show.ts";

/** Editors write a file in several steps; changes so close together are one. */
const SETTLE_MS = 150;
const NAMES_SHOWN = 3;

export interface Watched {
  /** The file or directory that is run. */
  readonly target: string;
  /** Where a run writes: what changes there must not start the next. */
  readonly ignored: string | undefined;
}

/**
 * A run that goes on when something changes is cancelled. One that fails is told and waited on.
 * @returns the exit status after Ctrl-C @throws UsageError when there is nothing to watch
 */
export async function runOnChange(
  watched: Watched,
  runOnce: (io: Io) => Promise<number>,
  io: Io,
): Promise<number> {
  const changes = await Changes.of(watched);
  try {
    while (!io.interrupted.aborted) {
      const again = new AbortController();
      const interrupted = AbortSignal.any([io.interrupted, again.signal]);
      const running = runTold(runOnce, { ...io, interrupted });
      const names = await changes.next(io.interrupted);
      again.abort(EXIT.interrupted);
      await running;
      if (names.length > 0) await tell(io, `${named(names)} changed; running again`);
    }
  } finally {
    changes.close();
  }
  const { reason } = io.interrupted;
  return typeof reason === "number" ? reason : EXIT.interrupted;
}

async function runTold(runOnce: (io: Io) => Promise<number>, io: Io): Promise<void> {
  try {
    await runOnce(io);
  } catch (error) {
    if (!io.interrupted.aborted) await tell(io, errorSentence(error));
  }
}

function named(names: readonly string[]): string {
  const some = names.slice(0, NAMES_SHOWN).map(shown).join(", ");
  return names.length > NAMES_SHOWN ? `${some} and ${names.length - NAMES_SHOWN} more` : some;
}

/** Names of what changed since somebody asked last. */
class Changes {
  readonly #watcher: FSWatcher;
  readonly #names = new Set<string>();
  #wake: (() => void) | undefined;

  private constructor(directory: string, recursive: boolean, isOurs: (name: string) => boolean) {
    this.#watcher = watch(directory, { recursive });
    this.#watcher.on("change", (_, name) => {
      if (!isOurs(String(name))) return;
      this.#names.add(String(name));
      this.#wake?.();
    });
    // The directory itself is gone, for example: there will be no more changes.
    this.#watcher.on("error", () => undefined);
  }

  static async of({ target, ignored }: Watched): Promise<Changes> {
    // Of a file its directory: an editor puts another file in its place.
    const isTree = await isDirectory(target);
    const directory = isTree ? target : dirname(target);
    const skipped = ignored === undefined ? undefined : resolve(ignored);
    const isOurs = (name: string): boolean => {
      if (!isTree) return name === basename(target);
      const path = resolve(directory, name);
      const isSkipped = path === skipped || path.startsWith(`${skipped}${sep}`);
      return !isSkipped && !name.split(sep).includes(".git");
    };
    try {
      return new Changes(directory, isTree, isOurs);
    } catch (error) {
      throw cannotRead(target, error);
    }
  }

  /** Resolves when something has changed; with nothing when the signal is aborted. */
  async next(signal: AbortSignal): Promise<readonly string[]> {
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve;
    signal.addEventListener("abort", woken.resolve as () => void, { once: true });
    if (this.#names.size === 0 && !signal.aborted) await woken.promise;
    signal.removeEventListener("abort", woken.resolve as () => void);
    if (!signal.aborted) await sleep(SETTLE_MS);
    const names = [...this.#names];
    this.#names.clear();
    return signal.aborted ? [] : names;
  }

  close(): void {
    this.#watcher.close();
  }
}
