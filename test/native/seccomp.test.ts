/**
 * The compiled syscall filters against oracles that share no code with native/seccomp.c: the table's
 * text (expectations.ts), libseccomp's simulator and disassembler, an interpreter of our own, and
 * this machine's kernel.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { readTable } from "../../scripts/syscallTable.ts";
import { AUDIT_ARCH, bytesOf, type Instruction, instructionsOf, interpret } from "./bpf.ts";
import { Expectation, errno, PLAIN_ARGS, probesOf, RULES, YOUNG_CALLS } from "./expectations.ts";
import {
  type Answer,
  askKernel,
  build,
  type Case,
  disassemble,
  dump,
  HOST,
  MACHINES,
  type Machine,
  resolveNames,
  resolveNumbers,
  simulate,
} from "./tools.ts";

const table = readTable();
const calls = table.groups.flatMap((group) => group.calls);
const names = calls.map(({ name }) => name);

function range(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => (first + index) | 0);
}

const SMALL = range(0, 1024);
/** Huge, negative, and x86-64's calls with 32-bit pointers. */
const ODD = [
  ...[0x3fffffff, 0x7fffffff, 0x80000000, 0x80000001, 0xc0000000, 0xffffffff, 0xfffffffe, -4096],
  ...[0x10000, 0x1000000, 0x20000000, 0x40000400, 0x7fffffff - 1],
].map((number) => number | 0);
const X32 = range(0x40000000, 600);

/**
 * The kernel asks no filter about these since 6.14: they belong to its own trampolines of probes,
 * and called from elsewhere they end the program.
 */
const NEVER_ASKED: Readonly<Record<Machine, readonly number[]>> = {
  x86_64: [335, 336],
  aarch64: [],
};

/** One machine's filter, and what we know about it. */
interface Subject {
  readonly machine: Machine;
  readonly file: string;
  readonly code: readonly Instruction[];
  readonly expectation: Expectation;
  readonly numberOf: ReadonlyMap<string, number>;
}

async function numbersOf(machine: Machine): Promise<ReadonlyMap<string, number>> {
  const found = await resolveNames(machine, names);
  const numbers = names.map((name, index) => [name, found[index] ?? YOUNG_CALLS[name]] as const);
  return new Map(
    numbers.flatMap(([name, number]) => (number === undefined ? [] : [[name, number]])),
  );
}

const directory = mkdtempSync(`${tmpdir()}/sandrun-filter-`);
const subjects = new Map<Machine, Subject>();

before(async () => {
  await build();
  for (const machine of MACHINES) {
    const filter = await dump(machine);
    const file = `${directory}/${machine}`;
    writeFileSync(file, filter);
    const numberOf = await numbersOf(machine);
    const expectation = new Expectation(table, machine, numberOf);
    subjects.set(machine, { machine, file, code: instructionsOf(filter), expectation, numberOf });
  }
});

after(() => rmSync(directory, { recursive: true }));

function subjectOf(machine: Machine): Subject {
  const subject = subjects.get(machine);
  assert.ok(subject, machine);
  return subject;
}

/** Every number with arguments that must not matter, and every rule with those that must. */
function casesOf({ numberOf }: Subject): readonly Case[] {
  const plain = [...SMALL, ...ODD, ...X32].flatMap((number) =>
    PLAIN_ARGS.map((args) => ({ number, args })),
  );
  return [...plain, ...ruleCases(numberOf)];
}

function ruleCases(numberOf: ReadonlyMap<string, number>): readonly Case[] {
  return calls.flatMap(({ name, rule }) => {
    const meaning = rule === undefined ? undefined : RULES[rule];
    const number = numberOf.get(name);
    if (meaning === undefined || number === undefined) return [];
    // With the same arguments, the neighbours show whether the rule is at the right number.
    const near = [number, number - 1, number + 1].filter((one) => one >= 0);
    return near.flatMap((one) => probesOf(meaning).map((args) => ({ number: one, args })));
  });
}

/** Every so many of a list, from its start. */
function sample<T>(list: readonly T[], step: number): readonly T[] {
  return list.filter((_, index) => index % step === 0);
}

function told({ number, args }: Case, answer: Answer | undefined): string {
  return `${number}(${args.map((arg) => `0x${arg.toString(16)}`).join(", ")}): ${answer}`;
}

function assertAnswers(
  cases: readonly Case[],
  answers: readonly Answer[],
  expected: (one: Case) => Answer,
): void {
  assert.equal(answers.length, cases.length);
  const wrong = cases.flatMap((one, index) => {
    const answer = answers[index];
    return answer === expected(one) ? [] : [`${told(one, answer)}, expected ${expected(one)}`];
  });
  assert.deepEqual(wrong.slice(0, 20), []);
}

for (const machine of MACHINES) {
  describe(`the filter for ${machine}`, () => {
    test("libseccomp's simulator finds the table's answer for every number", async () => {
      const { file, expectation } = subjectOf(machine);
      const cases = [...SMALL, ...ODD, ...sample(X32, 23)].map((number) => ({ number, args: [] }));
      const answers = await simulate(file, machine, cases);
      assertAnswers(cases, answers, (one) => expectation.answer(one));
    });

    test("libseccomp's simulator finds the rules' answers", async () => {
      const subject = subjectOf(machine);
      const cases = sample(ruleCases(subject.numberOf), 7);
      const answers = await simulate(subject.file, machine, cases);
      assertAnswers(cases, answers, (one) => subject.expectation.answer(one));
    });

    test("our interpreter finds the same for all numbers and arguments", () => {
      const subject = subjectOf(machine);
      const cases = casesOf(subject);
      const answers = cases.map((one) => interpret(subject.code, one, AUDIT_ARCH[machine]));
      assertAnswers(cases, answers, (one) => subject.expectation.answer(one));
    });

    test("S4: the kernel does what the table says for all numbers and arguments", async () => {
      const subject = subjectOf(machine);
      const cases = casesOf(subject).filter(({ number }) => !NEVER_ASKED[HOST].includes(number));
      const answers = await askKernel(forThisKernel(subject), cases);
      assertAnswers(cases, answers, (one) => subject.expectation.answer(one));
    });

    test("random calls get the table's answer", () => {
      const { code, expectation, numberOf } = subjectOf(machine);
      const known = fc.constantFrom(...numberOf.values());
      const number = fc.oneof(known, fc.integer({ min: 0, max: 600 }), fc.integer());
      const args = fc.array(fc.oneof(fc.bigInt(0n, 60n), fc.bigInt(0n, 2n ** 64n - 1n)), {
        minLength: 6,
        maxLength: 6,
      });
      const property = fc.property(number, args, (one, some) => {
        const asked = { number: one, args: some };
        assert.equal(interpret(code, asked, AUDIT_ARCH[machine]), expectation.answer(asked));
      });
      fc.assert(property, { numRuns: 5000 });
    });

    test("a call by the entry of another architecture ends the process", async () => {
      const { file, code } = subjectOf(machine);
      const cases = sample(SMALL, 8).map((number) => ({ number, args: [] }));
      const killed = () => "KILL_PROCESS";
      const entries = ["x86", "arm", "ppc64le", machine === "x86_64" ? "aarch64" : "x86_64"];
      for (const entry of entries) {
        assertAnswers(cases, await simulate(file, entry, cases), killed);
      }
      for (const bit of range(0, 32)) {
        const arch = (AUDIT_ARCH[machine] ^ (1 << bit)) >>> 0;
        assertAnswers(
          cases,
          cases.map((one) => interpret(code, one, arch)),
          killed,
        );
      }
    });

    test("is of known instructions and verdicts only, and allows nothing before it knows who calls", async () => {
      const { code } = subjectOf(machine);
      const lines = await disassemble(bytesOf(code), machine);
      assert.equal(lines.length, code.length);
      const known = /^(ld {2}\$data|jeq|jge|jgt|jmp|and|ret)/;
      assert.deepEqual(
        lines.filter((line) => !known.test(line)),
        [],
      );
      assert.deepEqual(
        new Set(lines.filter((line) => line.startsWith("ret"))),
        new Set([
          "ret KILL_PROCESS",
          "ret ALLOW",
          ...["success", "EPERM", "ENOSYS", "EINVAL", "ENOMEM"].map((name) => `ret ${errno(name)}`),
        ]),
      );
      assert.match(lines[0] ?? "", /^ld {2}\$data\[4\]/);
      assert.match(lines[1] ?? "", new RegExp(`^jeq ${AUDIT_ARCH[machine]} true:0003 false:0002`));
      assert.equal(lines[2], "ret KILL_PROCESS");
    });

    test("no change of one instruction would go unseen", () => {
      const subject = subjectOf(machine);
      const cases = casesOf(subject);
      const foreign = range(0, 32).map((bit) => (AUDIT_ARCH[machine] ^ (1 << bit)) >>> 0);
      const first = { number: 0, args: [] };
      const seen = (code: readonly Instruction[]): boolean =>
        foreign.some((arch) => interpret(code, first, arch) !== "KILL_PROCESS") ||
        cases.some((one) => differs(subject, code, one));
      assert.equal(seen(subject.code), false);
      const unseen = subject.code.flatMap((instruction, at) =>
        mutantsOf(instruction)
          .filter((mutant) => !seen(subject.code.with(at, mutant)))
          .map((mutant) => `${at}: ${JSON.stringify(instruction)} as ${JSON.stringify(mutant)}`),
      );
      assert.deepEqual(unseen, []);
    });

    test("every call that the machine has is decided on in the table", async () => {
      const found = await resolveNumbers(machine, range(0, table.newest + 1));
      const there = [...found.flatMap((name) => name ?? []), ...Object.keys(YOUNG_CALLS)];
      assert.ok(there.length > 300);
      assert.deepEqual(
        there.filter((name) => !names.includes(name)),
        [],
      );
    });
  });
}

if (HOST === "x86_64") {
  test("S4: 32-bit code on x86-64 dies of its first call", async () => {
    const numbers = [...range(0, 512), -1, 0x40000000];
    const cases = numbers.map((number) => ({ number, args: [1n, 2n, 3n] }));
    const answers = await askKernel(subjectOf("x86_64").file, cases, true);
    // SIGSYS; a kernel without an entry for 32-bit code sends SIGSEGV.
    const signal = answers[0] === "KILLED(11)" ? "KILLED(11)" : "KILLED(31)";
    assertAnswers(cases, answers, () => signal);
  });
}

test("the kernel is asked at all: without our filter it allows everything", async () => {
  const allowing = { code: 0x06, jt: 0, jf: 0, k: 0x7fff0000 };
  const file = `${directory}/allowing`;
  writeFileSync(file, bytesOf([allowing]));
  const cases = SMALL.filter((number) => !NEVER_ASKED[HOST].includes(number)).map((number) => ({
    number,
    args: [],
  }));
  assertAnswers(cases, await askKernel(file, cases), () => "ALLOW");
});

/**
 * The filter in a file that this kernel answers by. That for another machine differs from the
 * dumped one in the architecture alone, in the one instruction that knows it.
 */
function forThisKernel({ machine, file, code }: Subject): string {
  if (machine === HOST) return file;
  const knows = code.flatMap(({ k }, at) => (k === AUDIT_ARCH[machine] ? [at] : []));
  assert.deepEqual(knows, [1]);
  const [, compare] = code;
  assert.ok(compare);
  const changed = `${file}-here`;
  writeFileSync(changed, bytesOf(code.with(1, { ...compare, k: AUDIT_ARCH[HOST] })));
  return changed;
}

function differs(subject: Subject, code: readonly Instruction[], one: Case): boolean {
  try {
    return interpret(code, one, AUDIT_ARCH[subject.machine]) !== subject.expectation.answer(one);
  } catch {
    return true;
  }
}

/** An instruction with its number off by one, its verdict another, or its branches taken wrongly. */
function mutantsOf(instruction: Instruction): readonly Instruction[] {
  const { code, jt, jf, k } = instruction;
  const isBranch = code === 0x15 || code === 0x25 || code === 0x35;
  if (code === 0x06)
    return [k === 0x7fff0000 ? 0x00050001 : 0x7fff0000].map((other) => ({
      ...instruction,
      k: other,
    }));
  const offByOne = [{ ...instruction, k: (k + 1) >>> 0 }];
  if (k > 0) offByOne.push({ ...instruction, k: k - 1 });
  if (code === 0x20)
    return [
      { ...instruction, k: k + 4 },
      { ...instruction, k: (k + 60) % 64 },
    ];
  return isBranch ? [...offByOne, { ...instruction, jt: jf, jf: jt }] : offByOne;
}
