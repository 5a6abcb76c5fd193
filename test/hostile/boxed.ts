/** Programs in real boxes, and the real service in front of others. */
import type { Runner } from "../../src/core/runner.ts";
import { openLocalRunner } from "../../src/main.ts";
import { begin, type Ran, run } from "../support/boxes.ts";
import type { Arena, Ended } from "./case.ts";
import { type RunningService, realService } from "./services.ts";

/** More than the cases that run at once, since each may need two boxes. */
const SLOTS = 8;

function endedOf({ outcome, stdout, stderr, files, finished }: Ran): Ended {
  const { cpuMs, wallMs, memoryPeakBytes: peakBytes } = finished.usage;
  return {
    outcome,
    stdout,
    stderr,
    files,
    isolation: finished.isolation,
    peakBytes,
    cpuMs,
    wallMs,
  };
}

export interface BoxesOptions {
  /** Another build of the native part, for boxes that lack a layer. */
  readonly program?: string;
  /** Boxes made ahead, as in a service: programs wait in them, or are forked from a template. */
  readonly mostWaiting?: number;
}

export async function openBoxes(options: BoxesOptions = {}): Promise<Arena> {
  const slots = SLOTS + (options.mostWaiting ?? 0);
  const runner: Runner = await openLocalRunner({ ...options, slots, environments: {} });
  let service: Promise<RunningService> | undefined;
  return {
    isBox: true,
    run: async (job) => endedOf(await run(runner, job)),
    begin: async (job, mark) => {
      const started = await begin(runner, job, mark);
      const emptied = async (ended: typeof started.ended) => {
        const last = await ended;
        await last.finished.outputs.destroy();
        return endedOf({ ...last, files: new Map() });
      };
      return {
        said: started.said,
        ended: emptied(started.ended),
        stop: () => emptied(started.stop()),
      };
    },
    service: async () => {
      service ??= realService();
      return (await service).at;
    },
    close: async () => {
      await Promise.all([runner.close(), service?.then((running) => running.stop())]);
    },
  };
}
