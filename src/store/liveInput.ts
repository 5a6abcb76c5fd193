/**
 * What is sent to one job while it lives: standard input, its end, and signals.
 *
 * Input that comes before the program starts waits here, within a small bound; afterwards the
 * runner takes it as fast as the program reads. What waits is overwritten when the job ends.
 */
import { Refusal } from "../core/errors.ts";
import { STREAM_LIMITS } from "../core/limits.ts";
import type { RunningJob } from "../core/runner.ts";
import type { JobSignal } from "../core/signals.ts";

interface Waiting {
  readonly bytes: Uint8Array;
  readonly taken: PromiseWithResolvers<void>;
}

export class LiveInput {
  readonly #isInteractive: boolean;
  #isOpen: boolean;
  #running: RunningJob | undefined;
  #waiting: Waiting[] = [];
  /** Not taken yet, here or by the runner. */
  #pendingBytes = 0;

  /** @param isInteractive otherwise standard input is what came with the job, and nothing else */
  constructor(isInteractive: boolean) {
    this.#isInteractive = isInteractive;
    this.#isOpen = isInteractive;
  }

  /**
   * Takes the bytes over. Resolves when the program has been given them or is dead; never rejects.
   * @throws Refusal stdin_closed; too_large when more waits than may
   */
  write(bytes: Uint8Array): Promise<void> {
    if (!this.#isOpen) throw new Refusal("stdin_closed");
    if (this.#pendingBytes + bytes.length > STREAM_LIMITS.stdinWaitingBytes) {
      throw new Refusal("too_large", `${STREAM_LIMITS.stdinWaitingBytes} bytes of input may wait.`);
    }
    this.#pendingBytes += bytes.length;
    const taken = this.#running?.writeStdin(bytes) ?? this.#keep(bytes);
    return taken.then(() => {
      this.#pendingBytes -= bytes.length;
    });
  }

  /** The program reads its end after what was written. @throws Refusal stdin_closed */
  end(): void {
    if (!this.#isOpen) throw new Refusal("stdin_closed");
    this.#isOpen = false;
    this.#running?.endStdin();
  }

  /** @throws Refusal not_running */
  signal(name: JobSignal): void {
    if (this.#running === undefined) throw new Refusal("not_running");
    this.#running.sendSignal(name);
  }

  /** @throws Refusal not_running */
  resize(columns: number, rows: number): void {
    if (this.#running === undefined) throw new Refusal("not_running");
    this.#running.resize(columns, rows);
  }

  /** The program runs: it gets what waited. */
  started(running: RunningJob): void {
    this.#running = running;
    for (const { bytes, taken } of this.#waiting) {
      void running.writeStdin(bytes).then(taken.resolve);
    }
    this.#waiting = [];
    if (this.#isInteractive && !this.#isOpen) running.endStdin();
  }

  /** The job has ended. */
  over(): void {
    this.#isOpen = false;
    this.#running = undefined;
    for (const { bytes, taken } of this.#waiting) {
      bytes.fill(0);
      taken.resolve();
    }
    this.#waiting = [];
  }

  #keep(bytes: Uint8Array): Promise<void> {
    const taken = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, taken });
    return taken.promise;
  }
}
