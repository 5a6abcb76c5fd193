/**
 * The oracles for the syscall filter: libseccomp's simulator, disassembler and list of names, and
 * this machine's kernel. `npm test` fetches the first three; see scripts/seccompTools.sh.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TOOLS = `${ROOT}.runtime/seccomp/`;
const BUILD = `${ROOT}native/build/`;

/** As libseccomp names them. */
export type Machine = "x86_64" | "aarch64";

export const HOST: Machine = process.arch === "arm64" ? "aarch64" : "x86_64";

/** Those that we can compile for here. */
export const MACHINES: readonly Machine[] = HOST === "x86_64" ? ["x86_64", "aarch64"] : ["aarch64"];

/** A system call as a filter sees it, on the machine that the filter is for. */
export interface Case {
  /** Signed, 32 bits. */
  readonly number: number;
  /** Up to six, unsigned, 64 bits; those left out are 0. */
  readonly args: readonly bigint[];
}

/** As the simulator prints it: ALLOW, ERRNO(n), KILL_PROCESS; KILLED(n) is a signal seen. */
export type Answer = string;

async function outputOf(
  command: string,
  args: readonly string[],
  input?: string | Buffer,
): Promise<Buffer> {
  // A program that does not read may be gone before it is given anything.
  const stdin = input === undefined ? "ignore" : "pipe";
  const child = spawn(command, args, { cwd: ROOT, stdio: [stdin, "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  child.stdin?.end(input);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout ?? []) chunks.push(chunk);
  const status = await ended;
  if (status !== 0) throw new Error(`${command} ${args[0] ?? ""} ended with ${status}`);
  return Buffer.concat(chunks);
}

/** Builds the programs that the oracles need. */
export async function build(): Promise<void> {
  const dumpers = MACHINES.map((machine) =>
    machine === HOST ? "dump-filter" : `dump-filter-${machine}`,
  );
  const targets = ["ask-kernel", ...dumpers].map((name) => `build/${name}`);
  await outputOf("make", ["-s", "-C", "native", ...targets]);
}

/** The compiled filter, an array of struct sock_filter, from the very code of the product. */
export function dump(machine: Machine): Promise<Buffer> {
  if (machine === HOST) return outputOf(`${BUILD}dump-filter`, []);
  return outputOf(`${TOOLS}qemu-${machine}-static`, [`${BUILD}dump-filter-${machine}`]);
}

/** Runs a command for each line, its words behind the command's own; their output, in order. */
async function forEachLine(command: string, lines: readonly string[]): Promise<string[]> {
  const shares = availableParallelism();
  const size = Math.ceil(lines.length / shares);
  const outputs = await Promise.all(
    Array.from({ length: shares }, (_, share) => {
      const input = lines.slice(share * size, (share + 1) * size).map((line) => `${line}\n`);
      const loop = `while read -r words; do ${command} $words 2>&1; done; :`;
      return outputOf("sh", ["-c", loop], input.join(""));
    }),
  );
  const answers = outputs.flatMap((output) => output.toString().split("\n").slice(0, -1));
  if (answers.length !== lines.length) throw new Error(`${command} did not answer every line`);
  return answers;
}

/**
 * What libseccomp's simulator says: one process for each case, about a thousand a second.
 * @param filter name of a file with the dumped filter.
 * @param entry the architecture of the call.
 */
export function simulate(
  filter: string,
  entry: string,
  cases: readonly Case[],
): Promise<readonly Answer[]> {
  const lines = cases.map(({ number, args }) =>
    [`-s ${number}`, ...args.map((arg, index) => `-${index} ${arg}`)].join(" "),
  );
  return forEachLine(`'${TOOLS}scmp_bpf_sim' -f '${filter}' -a ${entry}`, lines);
}

/** Each instruction as libseccomp's disassembler reads it, such as "ret ERRNO(1)". */
export async function disassemble(filter: Buffer, machine: Machine): Promise<readonly string[]> {
  const text = await outputOf(`${TOOLS}scmp_bpf_disasm`, ["-a", machine], filter);
  const lines = text.toString().split("\n").slice(2, -1);
  return lines.map((line) => /0x[0-9a-f]{8} +(.*?) *$/.exec(line)?.[1] ?? line);
}

/** The numbers of calls; undefined for those that the machine has not. */
export async function resolveNames(
  machine: Machine,
  names: readonly string[],
): Promise<readonly (number | undefined)[]> {
  const found = await forEachLine(`scmp_sys_resolver -a ${machine}`, names);
  return found.map((number) => (Number(number) >= 0 ? Number(number) : undefined));
}

/** The names of numbers; undefined where there is no call. */
export async function resolveNumbers(
  machine: Machine,
  numbers: readonly number[],
): Promise<readonly (string | undefined)[]> {
  const found = await forEachLine(`scmp_sys_resolver -a ${machine}`, numbers.map(String));
  return found.map((name) => (name === "UNKNOWN" ? undefined : name));
}

const QUESTION_BYTES = 56;
const ALLOWED = 4000;
const KILLED = 10_000;

function questionOf({ number, args }: Case, compat: boolean): Buffer {
  const question = Buffer.alloc(QUESTION_BYTES);
  question.writeInt32LE(number, 0);
  question.writeUInt32LE(compat ? 1 : 0, 4);
  args.forEach((arg, index) => {
    question.writeBigUInt64LE(arg, 8 + 8 * index);
  });
  return question;
}

function answerFrom(code: number): Answer {
  if (code >= KILLED) return `KILLED(${code - KILLED})`;
  return code === ALLOWED ? "ALLOW" : `ERRNO(${code})`;
}

/**
 * What this machine's kernel says; no call is made. See native/test/askkernel.c.
 * @param filter name of a file with a filter whose own architecture is this machine's.
 * @param compat through the entry for 32-bit code.
 */
export async function askKernel(
  filter: string,
  cases: readonly Case[],
  compat = false,
): Promise<readonly Answer[]> {
  const questions = Buffer.concat(cases.map((one) => questionOf(one, compat)));
  const codes = await outputOf(`${BUILD}ask-kernel`, [filter], questions);
  return cases.map((_, index) => answerFrom(codes.readInt32LE(4 * index)));
}
