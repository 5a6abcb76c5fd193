/** How the values of options are read; each refusal is one sentence that names the option. */
import { isIP } from "node:net";
import { KIB, MIB } from "./core/limits.ts";

/** Options that cannot be used; the message is one sentence for the operator. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** How a value is read. @throws UsageError */
export type Read<T> = (text: string, flag: string) => T;

export interface EnvironmentOption {
  readonly name: string;
  readonly directory: string;
}

const GIB = 1024 * MIB;
const SIZE_UNITS: Record<string, number> = { "": 1, K: KIB, M: MIB, G: GIB, T: 1024 * GIB };

export function asIs(text: string, flag: string): string {
  if (text === "") throw new UsageError(`${flag} needs a value.`);
  return text;
}

export function yesOrNo(text: string, flag: string): boolean {
  if (["true", "1", "yes"].includes(text)) return true;
  if (["false", "0", "no"].includes(text)) return false;
  throw new UsageError(`${flag} must be true or false.`);
}

export function whole(least: number, most: number): Read<number> {
  return (text, flag) => inRange(/^\d{1,9}$/.test(text), text, flag, least, most, "a whole number");
}

export function decimal(least: number, most: number): Read<number> {
  return (text, flag) =>
    inRange(/^\d{1,9}(?:\.\d{1,3})?$/.test(text), text, flag, least, most, "a number");
}

function inRange(
  isNumber: boolean,
  text: string,
  flag: string,
  least: number,
  most: number,
  kind: string,
): number {
  const value = isNumber ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${flag} must be ${kind} from ${least} to ${most}.`);
}

/** Bytes; K, M, G and T are powers of 1024 (`512M`, `4G`, `4GiB`). */
export function size(leastBytes: number): Read<number> {
  return (text, flag) => {
    const [, digits = "", unit = ""] = /^(\d{1,12})([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
    const bytes =
      digits === "" ? Number.NaN : Number(digits) * (SIZE_UNITS[unit.toUpperCase()] ?? 1);
    if (bytes >= leastBytes && Number.isSafeInteger(bytes)) return bytes;
    throw new UsageError(`${flag} must be a size of at least ${leastBytes / MIB}M, such as 4G.`);
  };
}

export function cidr(text: string, flag: string): string {
  const [address = "", prefix, ...rest] = text.trim().split("/");
  const version = isIP(address);
  const length = prefix === undefined ? 0 : /^\d{1,3}$/.test(prefix) ? Number(prefix) : 999;
  if (version === 0 || rest.length > 0 || length > (version === 4 ? 32 : 128)) {
    throw new UsageError(`${flag} takes addresses such as 10.0.0.0/8, not "${text}".`);
  }
  return text.trim();
}

export function environmentOption(text: string, flag: string): EnvironmentOption {
  const [, name, directory] = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})=(.+)$/s.exec(text) ?? [];
  if (name === undefined || directory === undefined) {
    throw new UsageError(`${flag} takes NAME=DIR, not "${text}".`);
  }
  return { name, directory };
}
