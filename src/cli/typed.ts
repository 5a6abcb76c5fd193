/**
 * The caller's standard input on its way to a program that runs, piece by piece and no faster than
 * it is taken.
 */
import type { Io } from "./io.ts";

/** Where it goes. */
export interface InputTarget {
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
}

/** @returns stops it; what was not read yet stays where it is */
export function passOnInput({ stdin }: Io, target: InputTarget): () => void {
  const onData = (chunk: Buffer | string): void => {
    stdin.pause();
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : Uint8Array.from(chunk);
    target.write(bytes).then(
      () => stdin.resume(),
      // Whoever reads the job's events learns why.
      () => stop(),
    );
  };
  const onEnd = (): void => target.end();
  const stop = (): void => {
    stdin.off("data", onData);
    stdin.off("end", onEnd);
    stdin.pause();
  };
  stdin.on("data", onData);
  stdin.once("end", onEnd);
  // A terminal that hangs up, for example: the program reads the end of its input.
  stdin.once("error", onEnd);
  return stop;
}
