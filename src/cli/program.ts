/** The entry: real streams, signals and exit status around `dispatch`. */
import { dispatch } from "./dispatch.ts";
import type { Io } from "./io.ts";
import { EXIT } from "./show.ts";

/** What the warden runs for the service has signal handling of its own. */
const OWN_SIGNALS: readonly string[] = ["serve-plan", "serve-run"];

/** The first request to end cancels the job in an orderly way, the second does not wait. */
function watchSignals(interrupt: AbortController): void {
  const statuses = { SIGINT: EXIT.interrupted, SIGTERM: 143, SIGHUP: 129 } as const;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
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

const argv = process.argv.slice(2);
const interrupt = new AbortController();
if (!OWN_SIGNALS.includes(argv[0] ?? "")) watchSignals(interrupt);
watchOutput(interrupt);
const io: Io = {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  interrupted: interrupt.signal,
  loadBackend: () => import("../main.ts"),
};
// Everything written was waited for, so nothing is cut here; a box's open handles are not waited for.
process.exit(await dispatch(argv, io));
