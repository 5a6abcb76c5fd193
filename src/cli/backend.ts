/** What the command line needs from the composition root; loaded only when a command uses it. */
import type { Fetch } from "../client/client.ts";
import type { Runner } from "../core/runner.ts";

export interface LocalRunnerOptions {
  /** Prepared trees by name; the value is a directory on this machine. */
  readonly environments: Readonly<Record<string, string>>;
}

/** The API in this process, with boxes of its own. */
export interface LocalService {
  readonly fetch: Fetch;
  /** Ends every job; resolves when nothing is left on the host. */
  close(): Promise<void>;
}

export interface Backend {
  openLocalRunner(options: LocalRunnerOptions): Promise<Runner>;
  openLocalService(options: LocalRunnerOptions): Promise<LocalService>;
  /** Builds a box and tries what it promises: what is wrong in one sentence, else undefined. */
  tryBox(): Promise<string | undefined>;
  /** The help page of `serve`. */
  serveHelp(): Promise<string>;
  /** Checks the options of `serve` and prints the plan that the warden follows. */
  printPlan(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void>;
  /** Serves until it is told to stop; called as the service's own uid. */
  serve(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void>;
}
