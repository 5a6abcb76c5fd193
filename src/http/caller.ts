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
import type { Caller } from "../core/caller.ts";
import { type Address, networkOf, Ranges, readAddress, readHop } from "./address.ts";

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
/** A peer whose address cannot be read: in no range, so nobody trusts it. */
const NOBODY: Address = { text: "", isIPv4: false, groups: [] };

export class Callers {
  readonly #options: CallerOptions;
  readonly #trusted: Ranges;
  #key = newKey();
  #oldKey: string | undefined;
  #madeAtMs: number;

  /** @throws RangeError when a trusted proxy is neither an address nor a CIDR range. */
  constructor(options: CallerOptions) {
    this.#options = options;
    const own = options.behindProxy ? ["127.0.0.0/8", "::1"] : [];
    this.#trusted = new Ranges([...own, ...options.trustedProxies]);
    this.#madeAtMs = options.nowMs();
  }

  /**
   * @param peerAddress of the socket; undefined for a Unix socket
   * @param forwardedFor all `X-Forwarded-For` headers joined by commas, as they came
   */
  identify(peerAddress: string | undefined, forwardedFor: string | undefined): Caller {
    this.#rotate();
    const client = this.#client(peerAddress, forwardedFor);
    if (client === undefined || client.isIPv4) {
      return { key: this.#hash(client?.text ?? NO_ADDRESS), group: undefined };
    }
    return { key: this.#hash(networkOf(client, 4)), group: this.#hash(networkOf(client, 3)) };
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
    this.#key = newKey();
  }

  #client(peerAddress: string | undefined, forwardedFor: string | undefined): Address | undefined {
    let client = peerAddress === undefined ? undefined : (readAddress(peerAddress) ?? NOBODY);
    if (forwardedFor === undefined || !this.#trusts(client)) return client;
    for (const hop of lastHops(forwardedFor)) {
      const address = readHop(hop);
      if (address === undefined) return client;
      client = address;
      if (!this.#trusts(address)) return client;
    }
    return client;
  }

  #trusts(address: Address | undefined): boolean {
    return address === undefined ? this.#options.behindProxy : this.#trusted.has(address);
  }
}

/** From the right, at most HOPS_MOST. */
function lastHops(forwardedFor: string): string[] {
  return forwardedFor.split(",").slice(-HOPS_MOST).reverse();
}

/**
 * The key comes first and most of the hash is thrown away: going on from it to the hash of a longer
 * text, for which HMAC hashes twice, takes all of it. Every request waits for this.
 */
function keyed(key: string, text: string): string {
  return hash("sha256", `${key}${text}`, "base64url").slice(0, KEY_CHARACTERS);
}

function newKey(): string {
  return randomBytes(32).toString("hex");
}
