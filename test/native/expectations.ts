/**
 * What a filter should answer, from the text of native/syscalls.h and from what its rules mean,
 * written down a second time. Nothing here comes from the C code that is tested.
 */
import type { Group, SyscallTable } from "../../scripts/syscallTable.ts";
import type { Answer, Case, Machine } from "./tools.ts";

/** From include/uapi/asm-generic/errno-base.h; "success" is the error 0. */
const ERRNO: Readonly<Record<string, number>> = {
  success: 0,
  EPERM: 1,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSYS: 38,
};

export const PERMITTED: Answer = "ALLOW";

export function errno(name: string): Answer {
  const number = ERRNO[name];
  if (number === undefined) throw new Error(`no number for ${name}`);
  return `ERRNO(${number})`;
}

/**
 * Calls younger than the oldest libseccomp that we meet; from 424 on all architectures agree.
 * From the kernel's scripts/syscall.tbl.
 */
export const YOUNG_CALLS: Readonly<Record<string, number>> = {
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
};

interface RuleMeaning {
  /** Which argument decides. */
  readonly argument: number;
  /** Values of it at which the answer may change, from the kernel's headers. */
  readonly values: readonly number[];
  /** True when the call gets the rule's answer, or an errno of its own. `args` has six entries. */
  refuses(args: readonly bigint[]): boolean | string;
}

function low(args: readonly bigint[], index: number): number {
  return Number((args[index] ?? 0n) & 0xffffffffn);
}

function oneOf(argument: number, values: readonly number[]): RuleMeaning {
  return { argument, values, refuses: (args) => values.includes(low(args, argument)) };
}

function noneOf(argument: number, values: readonly number[]): RuleMeaning {
  return { argument, values, refuses: (args) => !values.includes(low(args, argument)) };
}

function anyBitOf(argument: number, bits: readonly number[]): RuleMeaning {
  return {
    argument,
    values: [...bits, bits.reduce((all, bit) => all + bit, 0), 0],
    refuses: (args) => bits.some((bit) => (low(args, argument) & bit) !== 0),
  };
}

const RLIMIT_CORE = 4;
const NETWORK_REQUESTS = { first: 0x8910, last: 0x89ff } as const;
/** TIOCSTI, TIOCLINUX, TIOCSETD. */
const TERMINAL_REQUESTS: readonly number[] = [0x5412, 0x541c, 0x5423];

/** NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NAMESPACE_FLAGS: readonly number[] = [17, 25, 26, 27, 28, 29, 30].map((bit) => 1 << bit);
const CLONE_FILES = 0x400;
const CLONE_THREAD = 0x10000;

export const RULES: Readonly<Record<string, RuleMeaning>> = {
  IOCTL: {
    argument: 1,
    values: [...TERMINAL_REQUESTS, NETWORK_REQUESTS.first, 0x8950, NETWORK_REQUESTS.last],
    refuses: (args) => {
      const request = low(args, 1);
      const isNetwork = request >= NETWORK_REQUESTS.first && request <= NETWORK_REQUESTS.last;
      return isNetwork || TERMINAL_REQUESTS.includes(request);
    },
  },
  CLONE: {
    argument: 0,
    values: [...NAMESPACE_FLAGS, CLONE_FILES, CLONE_THREAD, CLONE_FILES + CLONE_THREAD, 0],
    refuses: (args) => {
      const flags = low(args, 0);
      const sharesFiles = (flags & CLONE_FILES) !== 0 && (flags & CLONE_THREAD) === 0;
      return sharesFiles || NAMESPACE_FLAGS.some((flag) => (flags & flag) !== 0);
    },
  },
  PRCTL: noneOf(
    0,
    [
      1, 2, 3, 4, 7, 8, 15, 16, 21, 23, 25, 27, 29, 30, 36, 37, 38, 39, 40, 41, 42, 47, 50, 51, 52,
      53, 55, 56,
    ],
  ),
  PERSONALITY: noneOf(0, [0, 0xffffffff]),
  SETRLIMIT: oneOf(0, [RLIMIT_CORE]),
  PRLIMIT: {
    argument: 1,
    values: [RLIMIT_CORE],
    refuses: (args) => {
      if (low(args, 1) !== RLIMIT_CORE || args[2] === 0n) return false;
      return args[3] === 0n ? true : "EPERM";
    },
  },
  SOCKETPAIR: noneOf(0, [1]),
  SETSOCKOPT: oneOf(2, [26, 50, 51, 52]),
  FCNTL: oneOf(1, [37, 38]),
  FADVISE: oneOf(3, [4]),
  MADVISE: oneOf(2, [12]),
  MMAP: anyBitOf(3, [0x40000]),
  MEMFD: anyBitOf(1, [0x4]),
};

const ONES = 0xffffffffffffffffn;
const ZEROS: readonly bigint[] = [0n, 0n, 0n, 0n, 0n, 0n];

/** Arguments that must make no difference to a call without a rule. */
export const PLAIN_ARGS: readonly (readonly bigint[])[] = [
  ZEROS,
  ZEROS.map(() => ONES),
  ZEROS.map((_, index) => 0x1234_5678_9abc_def0n + BigInt(index)),
];

/** Arguments around each value that matters to a rule, the others all 0 or all 1. */
export function probesOf({ argument, values }: RuleMeaning): readonly (readonly bigint[])[] {
  const near = values.flatMap((value) => [value - 1, value, value + 1]);
  const lows = [...new Set(near.map((value) => BigInt(value >>> 0)))];
  // The high half may be anything and must not matter.
  const whole = lows.flatMap((value) => [value, value | (1n << 32n), value | (0xffffffffn << 32n)]);
  // Pointers whose low or high half alone is 0, the same for all or for one.
  const alike = [0n, ONES, 1n, 1n << 32n].map((one) => ZEROS.map(() => one));
  const others = [
    ...alike,
    ...alike.map((args) => args.with(3, 0n)),
    ...alike.map((args) => ZEROS.with(3, args[3] ?? 0n)),
  ];
  return whole.flatMap((value) => others.map((args) => args.with(argument, value)));
}

/** The first number of x86-64's calls with 32-bit pointers. */
const X32_FIRST = 0x40000000;

export class Expectation {
  readonly #machine: Machine;
  readonly #newest: number;
  readonly #calls = new Map<number, (args: readonly bigint[]) => Answer>();

  /** @param numberOf the numbers of the machine's calls by their names. */
  constructor(table: SyscallTable, machine: Machine, numberOf: ReadonlyMap<string, number>) {
    this.#machine = machine;
    this.#newest = table.newest;
    const answers = new Map(table.rules.map(({ name, answer }) => [name, errno(answer)]));
    for (const group of table.groups.filter((one) => isOn(one, machine))) {
      for (const { name, verdict, rule } of group.calls) {
        const number = numberOf.get(name);
        // The other machine's relics have no number here.
        if (number === undefined && verdict === "DENY") continue;
        if (number === undefined) throw new Error(`${machine} has no call ${name}`);
        this.#calls.set(number, answerTo(verdict, rule, answers));
      }
    }
  }

  answer({ number, args }: Case): Answer {
    const unsigned = number >>> 0;
    if (this.#machine === "x86_64" && unsigned >= X32_FIRST) return errno("EPERM");
    if (unsigned > this.#newest) return errno("ENOSYS");
    return this.#calls.get(number)?.([...args, ...ZEROS].slice(0, 6)) ?? errno("EPERM");
  }
}

function isOn({ only }: Group, machine: Machine): boolean {
  return only === undefined || only === machine;
}

function answerTo(
  verdict: string,
  rule: string | undefined,
  answers: ReadonlyMap<string, Answer>,
): (args: readonly bigint[]) => Answer {
  if (verdict === "PRETEND") return () => errno("success");
  if (verdict === "DENY") return () => errno("EPERM");
  if (verdict === "ABSENT") return () => errno("ENOSYS");
  if (rule === undefined) return () => PERMITTED;
  const meaning = RULES[rule];
  const refused = answers.get(rule);
  if (meaning === undefined || refused === undefined) throw new Error(`no meaning of ${rule}`);
  return (args) => {
    const verdict = meaning.refuses(args);
    if (typeof verdict === "string") return errno(verdict);
    return verdict ? refused : PERMITTED;
  };
}
