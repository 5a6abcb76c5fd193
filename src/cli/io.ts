/** The terminal, pipes, environment and signals of one run, so that tests can hand in their own. */
import type { Readable, Writable } from "node:stream";
import type { Backend } from "./backend.ts";

/** What the first Ctrl-C does instead of ending the run: it reaches the program. */
export interface FirstInterrupt {
  forward: (() => void) | undefined;
}

export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** More may come on it while a program runs: a terminal in front of somebody, or a pipe. */
  readonly stdinIsLive: boolean;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Aborted by the first Ctrl-C (or a request to end), with the exit status as its reason. */
  readonly interrupted: AbortSignal;
  readonly firstInterrupt: FirstInterrupt;
  loadBackend(): Promise<Backend>;
}

/** A subcommand: its arguments without its name, to an exit status. */
export type Command = (argv: readonly string[], io: Io) => Promise<number>;

/** Writes and waits until it left for the reader; a reader that is gone is not an error here. */
export function put(stream: Writable, content: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || content.length === 0) resolve();
    else stream.write(content, () => resolve());
  });
}

/** One line for a person, on stderr. */
export function tell(io: Io, sentence: string): Promise<void> {
  return put(io.stderr, `sandrun: ${sentence}\n`);
}
