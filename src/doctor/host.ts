/** The facts about a machine that checks judge. Tests hand in machines that do not exist. */

export interface Host {
  readonly uid: number;
  /** The user's name as /etc/passwd has it; undefined when it does not. */
  readonly userName: string | undefined;
  /** Of the running kernel, such as 6.1.0-18-amd64. */
  readonly release: string;
  /** As Node names it: x64, arm64, … */
  readonly arch: string;
  readonly nowMs: number;
  /** The checkout. */
  readonly directory: string;
  /** The native program of this checkout. */
  readonly native: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The kernel's configuration, from wherever it is kept. */
  readonly kernelConfig: string | undefined;
  /** A file's text, at most `DOCTOR_LIMITS.fileBytes` of it; undefined when it cannot be read. */
  read(path: string): string | undefined;
  /** Whether something is there, as far as this user can see. */
  exists(path: string): boolean;
  /** What a directory holds; nothing when it cannot be listed. */
  names(path: string): readonly string[];
  /** Where a symbolic link leads; undefined for all that is not one. */
  linkTarget(path: string): string | undefined;
  /** The permission bits, links followed. */
  mode(path: string): number | undefined;
  /** Whether this user may write there, as the kernel says. */
  isWritable(path: string): boolean;
  /** Full path of a program on PATH. */
  find(program: string): string | undefined;
  /** Room left for this user on the file system of a path. */
  freeDiskBytes(path: string): number | undefined;
}

/** The number in a small file such as those below /proc/sys; undefined when there is none. */
export function readNumber(host: Host, path: string): number | undefined {
  const text = host.read(path)?.trim();
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text);
}

/** The parameters on the kernel's command line. */
export function bootParameters(host: Host): readonly string[] {
  return (host.read("/proc/cmdline") ?? "").split(/\s+/).filter((word) => word !== "");
}
