/**
 * The self-test: until a box was built and refused what it promises to refuse, nothing runs.
 * Effects are judged from inside, by a program with a job's own rights.
 *
 * Keeps S15 of SECURITY.md.
 */
import type { Runner } from "../core/runner.ts";
import { askBox } from "./interpreters.ts";

interface Probe {
  /** What is promised; told when it does not hold. */
  readonly promise: string;
  /** A shell command that succeeds when the promise is broken. */
  readonly attempt: string;
}

const PROBES: readonly Probe[] = [
  {
    promise: "host files cannot be read",
    attempt: "cat /etc/passwd || cat /etc/shadow || ls /root || ls /home",
  },
  { promise: "the system cannot be written", attempt: "touch /usr/x || touch /etc/x || touch /x" },
  { promise: "other processes are out of sight", attempt: "test -e /proc/1" },
  {
    promise: "/proc is about the box alone",
    attempt: "ls -A /proc | grep -vxE '[0-9]+|self|thread-self'",
  },
  { promise: "the box's first process cannot be killed", attempt: "kill -9 1" },
  {
    promise: "no capability is left",
    attempt: "grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' /proc/self/status | grep -v 0000000000000000",
  },
  { promise: "no_new_privs is set", attempt: "! grep -q '^NoNewPrivs:.1$' /proc/self/status" },
  { promise: "system calls are filtered", attempt: "! grep -q '^Seccomp:.2$' /proc/self/status" },
  { promise: "there is no network", attempt: "grep -v -e lo: -e '|' /proc/self/net/dev" },
  { promise: "no namespace can be made", attempt: "unshare -U true" },
];

export interface Tested {
  /** The first promise that did not hold, in a sentence; undefined when every one did. */
  readonly broken: string | undefined;
  readonly printed: string;
}

/**
 * @param question a script that the same box is asked beside, which is a box less for whoever waits
 * @param onStarted called when it is under way
 */
export async function selfTest(
  runner: Runner,
  question = "",
  onStarted?: () => void,
): Promise<Tested> {
  const lines = PROBES.map(
    ({ attempt }, index) => `if { ${attempt}; } >/dev/null 2>&1; then echo 'broken ${index}'; fi`,
  );
  let printed: string;
  try {
    const script = [...lines, question, "echo whole"].join("\n");
    printed = await askBox(runner, script, undefined, onStarted);
  } catch (error) {
    const broken = error instanceof Error ? error.message : "the sandbox failed";
    return { broken, printed: "" };
  }
  return { broken: judge(printed), printed };
}

function judge(printed: string): string | undefined {
  const broken = /^broken (\d+)$/m.exec(printed)?.[1];
  if (broken !== undefined)
    return `this promise does not hold here: ${PROBES[Number(broken)]?.promise}`;
  return printed.endsWith("whole\n") ? undefined : "the self-test did not run to its end";
}
