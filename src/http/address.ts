/** IP addresses as numbers, each read once, and ranges of them. */
import { isIPv4, isIPv6 } from "node:net";

export interface Address {
  /** IPv4-mapped IPv6 (`::ffff:192.0.2.1`) is the IPv4 address; without a zone, which says nothing about who. */
  readonly text: string;
  readonly isIPv4: boolean;
  /** Eight of 16 bits; those of IPv4 in its mapped form. */
  readonly groups: readonly number[];
}

const MAPPED = [0, 0, 0, 0, 0, 0xffff] as const;

/** Undefined for what is no address. */
export function readAddress(written: string): Address | undefined {
  if (isIPv4(written)) return addressOfIPv4(written);
  const [text = ""] = written.split("%", 1);
  if (!isIPv6(text)) return undefined;
  const groups = groupsOfIPv6(text);
  if (!MAPPED.every((group, index) => groups[index] === group)) {
    return { text, isIPv4: false, groups };
  }
  const [high = 0, low = 0] = groups.slice(6);
  return addressOfIPv4([high >> 8, high & 0xff, low >> 8, low & 0xff].join("."));
}

/** Some proxies append the port (`192.0.2.1:1234`, `[2001:db8::1]:1234`). */
export function readHop(hop: string): Address | undefined {
  const text = hop.trim();
  const address = readAddress(text);
  if (address !== undefined) return address;
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1];
  const withPort = /^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}$/.exec(text)?.[1];
  return readAddress(bracketed ?? withPort ?? "");
}

/** The network of so many 16-bit groups: a /64 (one subscriber has all of it), a /48. */
export function networkOf({ groups }: Address, count: number): string {
  const front = groups.slice(0, count).map((group) => group.toString(16));
  return `${front.join(":")}::/${count * 16}`;
}

interface Range {
  readonly groups: readonly number[];
  readonly bits: number;
}

export class Ranges {
  readonly #ranges: readonly Range[];

  /** @param texts addresses and CIDR ranges @throws RangeError for what is neither */
  constructor(texts: readonly string[]) {
    this.#ranges = texts.map(readRange);
  }

  has({ groups }: Address): boolean {
    return this.#ranges.some((range) => sameBits(range.groups, groups, range.bits));
  }
}

function readRange(text: string): Range {
  const [written = "", prefix, ...rest] = text.split("/");
  const address = written.includes("%") ? undefined : readAddress(written);
  const width = isIPv4(written) ? 32 : 128;
  const length = prefix === undefined ? width : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (address === undefined || rest.length > 0 || length < 0 || length > width) {
    throw new RangeError(`${text} is neither an IP address nor a CIDR range.`);
  }
  return { groups: address.groups, bits: 128 - width + length };
}

function sameBits(one: readonly number[], other: readonly number[], bits: number): boolean {
  const whole = bits >> 4;
  for (let index = 0; index < whole; index++) if (one[index] !== other[index]) return false;
  const rest = 16 - (bits & 15);
  return rest === 16 || (one[whole] ?? 0) >> rest === (other[whole] ?? 0) >> rest;
}

function addressOfIPv4(text: string): Address {
  const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
  return { text, isIPv4: true, groups: [...MAPPED, a * 256 + b, c * 256 + d] };
}

/** Of a text that `isIPv6` accepts and that has no zone. */
function groupsOfIPv6(address: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const [, head = "", a, b, c, d] = dotted ?? [];
  const hex = (high: string | undefined, low: string | undefined) =>
    (Number(high) * 256 + Number(low)).toString(16);
  const text = dotted === null ? address : `${head}${hex(a, b)}:${hex(c, d)}`;
  const [left = "", right] = text.split("::");
  const parse = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const front = parse(left);
  if (right === undefined) return front;
  const back = parse(right);
  return [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
}
