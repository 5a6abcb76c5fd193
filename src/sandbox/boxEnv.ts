/** What a program finds in its environment, before the manifest's own variables. */

/** Where programs are looked up; a tree at /env comes first. */
function boxPath(hasEnvironment: boolean): string {
  const common = "/opt/node/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin";
  return hasEnvironment ? `/env/bin:${common}` : common;
}

/**
 * @param cpus cores that a job gets; libraries that start a thread for each core of the machine
 *   would only throttle themselves.
 */
export function boxEnv(
  hasEnvironment: boolean,
  cpus: number,
  own: Readonly<Record<string, string>>,
  isTerminal = false,
): Readonly<Record<string, string>> {
  return {
    PATH: boxPath(hasEnvironment),
    HOME: "/tmp",
    TMPDIR: "/tmp",
    USER: "sandrun",
    LOGNAME: "sandrun",
    LANG: "C.UTF-8",
    // A live page would stay blank until the end.
    PYTHONUNBUFFERED: "1",
    // Compiled modules would look like outputs.
    PYTHONDONTWRITEBYTECODE: "1",
    // The leak checker of gcc's sanitizers traces its own process, which is refused.
    LSAN_OPTIONS: "detect_leaks=0",
    OMP_NUM_THREADS: `${cpus}`,
    OPENBLAS_NUM_THREADS: `${cpus}`,
    ...(hasEnvironment ? { VIRTUAL_ENV: "/env" } : {}),
    ...(isTerminal ? { TERM: "xterm-256color" } : {}),
    ...own,
  };
}
