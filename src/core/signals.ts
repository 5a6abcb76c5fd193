/**
 * Signals that a caller may send to a job that runs: a closed list, by name. The numbers are
 * Linux's own on every machine that a box runs on.
 */
const NUMBERS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGWINCH: 28,
} as const;

export type JobSignal = keyof typeof NUMBERS;

export const JOB_SIGNALS = Object.keys(NUMBERS) as readonly JobSignal[];

export function numberOfSignal(name: JobSignal): number {
  return NUMBERS[name];
}
