/** docs/syscalls.md as text; see syscallTable.ts. */
import type { Call, Group, Rule, SyscallTable, Verdict } from "./syscallTable.ts";

const MACHINES: Readonly<Record<string, string>> = { x86_64: "x86-64", aarch64: "arm64" };

const MARKS: Readonly<Partial<Record<Verdict, string>>> = {
  CHECK: " (checked)",
  PRETEND: " (does nothing)",
};

function code(text: string): string {
  return `\`${text}\``;
}

function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function tableOf(heads: readonly string[], rows: readonly string[]): string {
  return [row(...heads), row(...heads.map(() => "---")), ...rows].join("\n");
}

function callText({ name, verdict }: Call): string {
  return `${code(name)}${MARKS[verdict] ?? ""}`;
}

function reasonOf({ reason, only }: Group): string {
  return only === undefined ? reason : `${reason} (${MACHINES[only] ?? only} only)`;
}

/** One row for each group that has calls with one of the verdicts. */
function groupRows({ groups }: SyscallTable, verdicts: readonly Verdict[]): string[] {
  return groups.flatMap((group) => {
    const calls = group.calls.filter(({ verdict }) => verdicts.includes(verdict));
    if (calls.length === 0) return [];
    return [row(group.name.replaceAll("_", " "), reasonOf(group), calls.map(callText).join(" "))];
  });
}

function ruleRow({ groups }: SyscallTable, { name, answer, when, why }: Rule): string {
  const calls = groups.flatMap((group) => group.calls.filter(({ rule }) => rule === name));
  const answered = answer === "success" ? answer : code(answer);
  return row(calls.map((call) => code(call.name)).join(" "), answered, when, why);
}

/** How many calls programs can make, of all machines and of x86-64 alone. */
function counts({ groups }: SyscallTable): readonly [number, number] {
  const open = (group: Group) =>
    group.calls.filter(({ verdict }) => verdict !== "DENY" && verdict !== "ABSENT").length;
  const everywhere = groups.filter(({ only }) => only === undefined);
  const sum = (some: readonly Group[]) => some.reduce((total, group) => total + open(group), 0);
  return [sum(everywhere), sum(groups)];
}

/** The whole document, ending with a line feed. */
export function documentOf(table: SyscallTable): string {
  const [everywhere, onX86] = counts(table);
  const absent = groupRows(table, ["ABSENT"]);
  return `# System calls

<!-- Made by \`node scripts/syscallTable.ts\` from native/syscalls.h; change the table, not this. -->

Every program in a box runs under one seccomp filter, compiled from a table of the calls that it
may make: ${onX86} on x86-64, ${everywhere} on arm64. The filter is put on before the first byte of
a job is read, all that the program starts inherits it, and nothing takes it off again. It is one
layer of several: most of what it refuses the box's namespaces and missing capabilities refuse too.

| a call that | is answered with |
| --- | --- |
| is allowed | what the kernel answers; it may still refuse |
| is checked, and its arguments do not pass | what stands [below](#checked-arguments) |
| is not allowed, on purpose or because no kernel has the number | \`EPERM\` |
| is newer than the table (numbers above ${table.newest}) | \`ENOSYS\`, as on a kernel that does not know it |
| is an x32 one (numbers from 0x40000000 on, x86-64) | \`EPERM\` |
| comes in by another architecture's entry (32-bit code on x86-64 or arm64) | the process is killed (\`SIGSYS\`) |

## Allowed

${tableOf(["group", "why", "calls"], groupRows(table, ["ALLOW", "CHECK", "PRETEND"]))}

## Checked arguments

The filter sees numbers and flags, never what a pointer points to. It compares the 32 bits of an
argument that the kernel looks at.

${tableOf(
  ["call", "is answered with", "if", "because"],
  table.rules.map((rule) => ruleRow(table, rule)),
)}

## Refused on purpose

With \`EPERM\`. Together with the above these are all calls that x86-64 has up to number
${table.newest}; a test holds that none is forgotten.

${tableOf(["group", "why", "calls"], groupRows(table, ["DENY"]))}

With \`ENOSYS\`, so that C libraries take the older call:

${tableOf(["group", "why", "calls"], absent)}

## For operators

- No option changes the filter and there is no mode without it: a box that cannot put it on runs no
  job. To change it, change \`native/syscalls.h\`, run \`node scripts/syscallTable.ts\` and the tests.
- A program that says "Operation not permitted" or "Function not implemented" may have met the
  filter. Tracers are refused in a box, so look outside: \`strace -f -c PROGRAM\` lists the calls
  that it makes, and this page says which of them a box refuses.
- PID 1 of a box (not the program) runs under the same filter with \`seccomp\` allowed besides: it
  has to put the program's filter on the collector.
- Jobs need none of what these settings keep from ordinary users, so a host that runs nothing else
  loses nothing by them: \`kernel.io_uring_disabled=2\`, \`kernel.unprivileged_bpf_disabled=1\`,
  \`vm.unprivileged_userfaultfd=0\`, \`kernel.perf_event_paranoid=3\`, \`dev.tty.ldisc_autoload=0\`.
  They are a second lock; the filter does not count on them.
- \`sysinfo\` is allowed, since C libraries cannot do without it. It tells the memory and the load of
  the whole host.
`;
}
