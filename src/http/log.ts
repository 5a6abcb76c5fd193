/**
 * The service's log: JSON lines whose fields come from a closed list. What is not on the list
 * cannot be written: no code, file name, argument, path, address, and no job id, which is the
 * only right to a job.
 *
 * Keeps S18 of SECURITY.md.
 */
import { Refusal, SandboxFault } from "../core/errors.ts";
import type { Outcome } from "../core/job.ts";

export interface LogFields {
  event: "started" | "stopping" | "request" | "job_ended" | "fault";
  method?: string;
  /** The route's pattern (`/status/:id`), never the path that was asked for. */
  route?: string;
  status?: number;
  duration_ms?: number;
  outcome?: Outcome["kind"];
  /** Of `sandbox_error`, or of a fault: the call that failed. */
  step?: string;
  errno?: number;
  /** Class of an unexpected error; its message may quote a request, so it is not written. */
  error?: string;
  /** Where an unexpected error was thrown: our file and line. */
  at?: string;
  cpu_ms?: number;
  /** Of the box's own processes. */
  box_cpu_ms?: number;
  wall_ms?: number;
  queue_ms?: number;
  memory_bytes?: number;
}

export type ServiceLog = (fields: LogFields) => void;

/** @param write gets one line without its end */
export function jsonLog(write: (line: string) => void, nowMs: () => number): ServiceLog {
  return (fields) => {
    const time = new Date(nowMs()).toISOString();
    write(`{"time":"${time}",${JSON.stringify(fields).slice(1)}`);
  };
}

/** The loggable side of something thrown. */
export function faultFields(fault: unknown): LogFields {
  if (fault instanceof SandboxFault) {
    return { event: "fault", error: fault.name, step: fault.step, errno: fault.errno };
  }
  if (fault instanceof Refusal) return { event: "fault", error: fault.code };
  if (!(fault instanceof Error)) return { event: "fault", error: typeof fault };
  const at = /\/(src\/[\w./-]+:\d+)/.exec(fault.stack ?? "")?.[1];
  return { event: "fault", error: fault.name, ...(at === undefined ? {} : { at }) };
}
