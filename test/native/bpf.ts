/**
 * Classic BPF as far as a seccomp filter may use it, written from the kernel's
 * Documentation/networking/filter.rst and shared with nothing else.
 */
import type { Answer, Case } from "./tools.ts";

export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const INSTRUCTION_BYTES = 8;

/** Values of linux/audit.h. */
export const AUDIT_ARCH = { x86_64: 0xc000003e, aarch64: 0xc00000b7, i386: 0x40000003 } as const;

export function instructionsOf(filter: Buffer): readonly Instruction[] {
  return Array.from({ length: filter.length / INSTRUCTION_BYTES }, (_, index) => {
    const at = INSTRUCTION_BYTES * index;
    return {
      code: filter.readUInt16LE(at),
      jt: filter.readUInt8(at + 2),
      jf: filter.readUInt8(at + 3),
      k: filter.readUInt32LE(at + 4),
    };
  });
}

export function bytesOf(instructions: readonly Instruction[]): Buffer {
  const filter = Buffer.alloc(INSTRUCTION_BYTES * instructions.length);
  instructions.forEach(({ code, jt, jf, k }, index) => {
    const at = INSTRUCTION_BYTES * index;
    filter.writeUInt16LE(code, at);
    filter.writeUInt8(jt, at + 2);
    filter.writeUInt8(jf, at + 3);
    filter.writeUInt32LE(k >>> 0, at + 4);
  });
  return filter;
}

/** A little-endian struct seccomp_data of a call. */
function dataOf({ number, args }: Case, arch: number): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setInt32(0, number, true);
  data.setUint32(4, arch, true);
  args.forEach((arg, index) => {
    data.setBigUint64(16 + 8 * index, arg, true);
  });
  return data;
}

function answerOf(verdict: number): Answer {
  const action = (verdict & 0xffff0000) >>> 0;
  if (action === 0x80000000) return "KILL_PROCESS";
  if (action === 0x7fff0000) return "ALLOW";
  if (action === 0x00050000) return `ERRNO(${verdict & 0xffff})`;
  return `RET(${verdict})`;
}

const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const RETURN = 0x06;
const CONDITIONS: Readonly<Record<number, (a: number, k: number) => boolean>> = {
  21: (a, k) => a === k,
  37: (a, k) => a > k,
  53: (a, k) => a >= k,
};

/**
 * What a filter answers to a call of the architecture `arch`.
 * @throws Error where the kernel would not have taken the filter.
 */
export function interpret(filter: readonly Instruction[], one: Case, arch: number): Answer {
  const data = dataOf(one, arch);
  let accumulator = 0;
  for (let at = 0; at < filter.length; at++) {
    const { code, jt, jf, k } = filter[at] ?? { code: -1, jt: 0, jf: 0, k: 0 };
    const condition = CONDITIONS[code];
    if (code === RETURN) return answerOf(k);
    if (code === LOAD) accumulator = data.getUint32(k, true);
    else if (code === AND) accumulator = (accumulator & k) >>> 0;
    else if (code === JUMP) at += k;
    else if (condition !== undefined) at += condition(accumulator, k) ? jt : jf;
    else throw new Error(`instruction ${at} has the code ${code}`);
  }
  throw new Error("the end without a verdict");
}
