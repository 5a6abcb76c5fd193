/**
 * Who calls: keyed hashes of the peer's address and nothing else. The key is random, lives in this
 * process only and is replaced every day, so what stands for a caller can neither be turned back
 * into an address nor compared with another day's; the address itself is never stored or logged.
 * With a new key nobody gets a new bucket: whoever is known by the old one, because a bucket is not
 * full or jobs are here, stays so until nothing is known.
 *
 * An IPv6 caller is a /64, and has the hash of its /48 beside: see queue/fair.ts.
 *
 * Behind a proxy every peer is the proxy, and `X-Forwarded-For` says who asked. Anybody can send
 * that header, so it counts only from a trusted peer and is walked from the right (the end that
 * our proxies wrote): the first hop that is not trusted is the caller. A hop that is no address
 * ends the walk at the last trusted one, or a forged list would give each request a fresh caller.
 *
 * Keeps S18 of SECURITY.md.
 */
import { hash, randomBytes } from "node:crypto";
import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import type { Caller } from "../core/caller.ts";

export interface CallerOptions {
  /** Addresses or CIDR ranges whose `X-Forwarded-For` counts. */
  readonly trustedProxies: readonly string[];
  /** Also trust loopback and Unix-socket peers. */
  readonly behindProxy: boolean;
  readonly nowMs: () => number;
  /** Whether something is known of whoever has that key. */
  readonly remembers: (key: string) => boolean;
}

/** Characters of the key: 96 bits, far beyond collisions by chance. */
const KEY_CHARACTERS = 16;
/** More hops than any real chain; the rest of a longer header is not looked at. */
const HOPS_MOST = 32;
/** How long one key lives. */
const ROTATE_MS = 86_400_000;
/** Peers without an address (Unix socket, or no socket in tests) are one caller. */
const NO_ADDRESS = "local";

export class Callers {
  readonly #options: CallerOptions;
  readonly #trusted: BlockList;
  #key = randomBytes(32);
  #oldKey: Buffer | undefined;
  #madeAtMs: number;

  /** @throws RangeError when a trusted proxy is neither an address nor a CIDR range. */
  constructor(options: CallerOptions) {
    this.#options = options;
    this.#trusted = trustedList(options);
    this.#madeAtMs = options.nowMs();
  }

  /**
   * @param peerAddress of the socket; undefined for a Unix socket
   * @param forwardedFor all `X-Forwarded-For` headers joined by commas, as they came
   */
  identify(peerAddress: string | undefined, forwardedFor: string | undefined): Caller {
    this.#rotate();
    const client = this.#client(peerAddress, forwardedFor);
    const network = isIPv6(client) ? ipv6Groups(client) : undefined;
    if (network === undefined) return { key: this.#hash(client), group: undefined };
    return { key: this.#hash(prefix(network, 4)), group: this.#hash(prefix(network, 3)) };
  }

  #hash(text: string): string {
    const old = this.#oldKey === undefined ? undefined : keyed(this.#oldKey, text);
    return old !== undefined && this.#options.remembers(old) ? old : keyed(this.#key, text);
  }

  #rotate(): void {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#madeAtMs < ROTATE_MS) return;
    this.#madeAtMs = nowMs;
    this.#oldKey = this.#key;
    this.#key = randomBytes(32);
  }

  #client(peerAddress: string | undefined, forwardedFor: string | undefined): string {
    const peer = peerAddress === undefined ? NO_ADDRESS : fold(peerAddress);
    if (forwardedFor === undefined || !this.#trusts(peer)) return peer;
    let client = peer;
    for (const hop of lastHops(forwardedFor)) {
      const address = hopAddress(hop);
      if (address === undefined) return client;
      client = address;
      if (!this.#trusts(address)) return client;
    }
    return client;
  }

  #trusts(address: string): boolean {
    if (address === NO_ADDRESS) return this.#options.behindProxy;
    return isIP(address) !== 0 && this.#trusted.check(address, family(address));
  }
}

function trustedList(options: CallerOptions): BlockList {
  const list = new BlockList();
  const ranges = options.behindProxy ? ["127.0.0.0/8", "::1"] : [];
  for (const range of [...ranges, ...options.trustedProxies]) {
    const [address = "", prefix, ...rest] = range.split("/");
    const bits = isIPv4(address) ? 32 : 128;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
    if (
      isIP(address) === 0 ||
      address.includes("%") ||
      rest.length > 0 ||
      length < 0 ||
      length > bits
    ) {
      throw new RangeError(`${range} is neither an IP address nor a CIDR range.`);
    }
    list.addSubnet(address, length, family(address));
  }
  return list;
}

/** From the right, at most HOPS_MOST. */
function lastHops(forwardedFor: string): string[] {
  return forwardedFor.split(",").slice(-HOPS_MOST).reverse();
}

/** Some proxies append the port (`192.0.2.1:1234`, `[2001:db8::1]:1234`). */
function hopAddress(hop: string): string | undefined {
  const text = hop.trim();
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1];
  const withPort = /^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}$/.exec(text)?.[1];
  const address = bracketed ?? withPort ?? text;
  return isIP(address) === 0 ? undefined : fold(address);
}

/** IPv4-mapped IPv6 (`::ffff:192.0.2.1`) is the IPv4 address; zone ids say nothing about who. */
function fold(address: string): string {
  const bare = address.split("%")[0] ?? address;
  if (!isIPv6(bare)) return bare;
  const groups = ipv6Groups(bare);
  if (!groups.slice(0, 5).every((group) => group === 0) || groups[5] !== 0xffff) return bare;
  const [high = 0, low = 0] = groups.slice(6);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}

/**
 * The key comes first and most of the hash is thrown away: going on from it to the hash of a longer
 * text, for which HMAC hashes twice, takes all of it. Every request waits for this.
 */
function keyed(key: Buffer, text: string): string {
  const bytes = Buffer.concat([key, Buffer.from(text)]);
  return hash("sha256", bytes, "base64url").slice(0, KEY_CHARACTERS);
}

/** The network of so many 16-bit groups: a /64 (one subscriber has all of it), a /48. */
function prefix(network: readonly number[], groups: number): string {
  const front = network.slice(0, groups).map((group) => group.toString(16));
  return `${front.join(":")}::/${groups * 16}`;
}

/** The eight 16-bit groups of an address that `isIPv6` accepts and that has no zone. */
function ipv6Groups(address: string): number[] {
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

function family(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}
