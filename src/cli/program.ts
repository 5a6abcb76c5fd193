/** The entry: real streams, signals and exit status around `dispatch`. */
import { fstatSync, readFileSync } from "node:fs";
import { dispatch } from "./dispatch.ts";
import type { FirstInterrupt, Io } from "./io.ts";
import { EXIT } from "./show.ts";

/** What the warden runs for the service has signal handling of its own. */
const OWN_SIGNALS: readonly string[] = ["serve-plan", "serve-run"];

/**
 * The first Ctrl-C reaches the program when there is one; the next, or another request to end,
 * cancels the job in an orderly way, and one more does not wait.
 */
function watchSignals(interrupt: AbortController, first: FirstInterrupt): void {
  const statuses = { SIGINT: EXIT.interrupted, SIGTERM: 143, SIGHUP: 129 } as const;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      const { forward } = first;
      if (signal === "SIGINT" && forward !== undefined && !interrupt.signal.aborted) {
        first.forward = undefined;
        forward();
        return;
      }
      if (interrupt.signal.aborted) process.exit(statuses[signal]);
      interrupt.abort(statuses[signal]);
    });
  }
}

/** A reader that went away (`| head`) ends the job without a word; other faults are told. */
function watchOutput(interrupt: AbortController): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    const isClosed = error.code === "EPIPE";
    if (!isClosed) process.stderr.write(`sandrun: cannot write the output: ${error.code}\n`);
    interrupt.abort(isClosed ? EXIT.brokenPipe : EXIT.sandbox);
  });
  // Nobody to tell: what goes to stderr is for a person who is not there any more.
  process.stderr.on("error", () => undefined);
}

/**
 * A file, or /dev/null, is read at once. A terminal is read only by who stands in front of it: in
 * the background the kernel would stop us.
 */
function isLive(): boolean {
  if (process.stdin.isTTY === true) return isForeground();
  const facts = fstatSync(0, { throwIfNoEntry: false });
  return facts !== undefined && (facts.isFIFO() || facts.isSocket());
}

function isForeground(): boolean {
  // proc(5): behind the name in parentheses come state, ppid, pgrp, session, tty_nr, tpgid.
  const [, , group, , , foreground] = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return group === foreground;
}

const argv = process.argv.slice(2);
const interrupt = new AbortController();
const firstInterrupt: FirstInterrupt = { forward: undefined };
if (!OWN_SIGNALS.includes(argv[0] ?? "")) watchSignals(interrupt, firstInterrupt);
watchOutput(interrupt);
const io: Io = {
  env: process.env,
  stdin: process.stdin,
  stdinIsLive: isLive(),
  stdout: process.stdout,
  stderr: process.stderr,
  interrupted: interrupt.signal,
  firstInterrupt,
  loadBackend: () => import("../main.ts"),
};
// Everything written was waited for, so nothing is cut here; a box's open handles are not waited for.
process.exit(await dispatch(argv, io));
