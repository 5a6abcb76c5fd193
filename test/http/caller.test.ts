import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CallerOptions, Callers } from "../../src/http/caller.ts";

/** Callers by their keys alone, and whole. */
class Named extends Callers {
  keyOf(peer: string | undefined, forwardedFor: string | undefined): string {
    return this.identify(peer, forwardedFor).key;
  }
}

function callers(options: Partial<CallerOptions> = {}): Named {
  const clock = { nowMs: () => 0, remembers: () => false };
  return new Named({ trustedProxies: [], behindProxy: false, ...clock, ...options });
}

describe("S18: Callers", () => {
  it("tells addresses apart and shows none of them", () => {
    const own = callers();
    const key = own.keyOf("192.0.2.1", undefined);
    assert.equal(key, own.keyOf("192.0.2.1", undefined));
    assert.notEqual(key, own.keyOf("192.0.2.2", undefined));
    assert.match(key, /^[\w-]{16}$/);
    assert.ok(!key.includes("192"));
  });

  it("has another key in every process, so that keys cannot be compared", () => {
    assert.notEqual(
      callers().keyOf("192.0.2.1", undefined),
      callers().keyOf("192.0.2.1", undefined),
    );
  });

  it("counts one subscriber's IPv6 network as one caller", () => {
    const own = callers();
    const key = own.keyOf("2001:db8:1:2::1", undefined);
    for (const same of [
      "2001:db8:1:2:ffff:ffff:ffff:ffff",
      "2001:0DB8:0001:0002:0:0:0:9",
      "2001:db8:1:2::192.0.2.1",
    ]) {
      assert.equal(own.keyOf(same, undefined), key, same);
    }
    assert.notEqual(own.keyOf("2001:db8:1:3::1", undefined), key);
    assert.equal(own.keyOf("fe80::1%eth0", undefined), own.keyOf("fe80::2%eth1", undefined));
  });

  it("knows the wider network of an IPv6 caller, and of no other", () => {
    const own = callers();
    const { key, group } = own.identify("2001:db8:1:2::1", undefined);
    assert.match(group ?? "", /^[\w-]{16}$/);
    assert.notEqual(group, key);
    assert.equal(own.identify("2001:db8:1:ffff::9", undefined).group, group);
    assert.notEqual(own.identify("2001:db8:2:2::1", undefined).group, group);
    // The /64 of that number and the /48 are two things.
    assert.notEqual(own.identify("2001:db8:1:0::1", undefined).key, group);
    assert.equal(own.identify("192.0.2.1", undefined).group, undefined);
    assert.equal(own.identify(undefined, undefined).group, undefined);
  });

  it("takes a new key every day, and leaves those known by the old one where they are", () => {
    let nowMs = 0;
    const known = new Set<string>();
    const own = callers({ nowMs: () => nowMs, remembers: (key) => known.has(key) });
    const busy = own.keyOf("192.0.2.1", undefined);
    const idle = own.keyOf("192.0.2.2", undefined);
    known.add(busy);
    nowMs = 86_400_000;
    assert.equal(own.keyOf("192.0.2.1", undefined), busy);
    const fresh = own.keyOf("192.0.2.2", undefined);
    assert.notEqual(fresh, idle);
    assert.equal(own.keyOf("192.0.2.2", undefined), fresh);
    known.delete(busy);
    assert.notEqual(own.keyOf("192.0.2.1", undefined), busy, "nothing is known of it any more");
  });

  it("counts an IPv4 address written as IPv6 as itself", () => {
    const own = callers();
    const key = own.keyOf("192.0.2.1", undefined);
    for (const same of ["::ffff:192.0.2.1", "::ffff:c000:201", "0:0:0:0:0:FFFF:192.0.2.1"]) {
      assert.equal(own.keyOf(same, undefined), key, same);
    }
    assert.notEqual(own.keyOf("::192.0.2.1", undefined), key, "that is another, older form");
  });

  it("does not believe X-Forwarded-For of strangers", () => {
    const own = callers({ trustedProxies: ["10.0.0.0/8"] });
    assert.equal(own.keyOf("192.0.2.1", "198.51.100.7"), own.keyOf("192.0.2.1", undefined));
    const open = callers();
    assert.equal(open.keyOf("127.0.0.1", "198.51.100.7"), open.keyOf("127.0.0.1", undefined));
    assert.equal(open.keyOf(undefined, "198.51.100.7"), open.keyOf(undefined, undefined));
  });

  it("walks X-Forwarded-For from the right, past trusted proxies, to the first stranger", () => {
    const own = callers({ trustedProxies: ["10.0.0.0/8", "2001:db8:f::/48"] });
    const stranger = own.keyOf("198.51.100.7", undefined);
    const headers = [
      "198.51.100.7",
      "203.0.113.1, 198.51.100.7",
      "203.0.113.1,198.51.100.7, 10.2.3.4",
      "198.51.100.7 , 2001:db8:f::9,10.2.3.4",
      "garbage, 198.51.100.7",
      "198.51.100.7:5512",
      "::ffff:198.51.100.7, ::ffff:10.9.9.9",
    ];
    for (const header of headers) assert.equal(own.keyOf("10.0.0.1", header), stranger, header);
    const six = own.keyOf("2001:db8:9::1", undefined);
    assert.equal(own.keyOf("10.0.0.1", "[2001:db8:9::1]:443"), six);
  });

  it("stays at the last trusted address when a hop is no address", () => {
    const own = callers({ trustedProxies: ["10.0.0.0/8"] });
    const hops = [
      "unknown",
      "",
      "198.51.100",
      "198.51.100.7.8",
      "1e1",
      "localhost",
      "_hidden",
      "[::1",
      "0x7f.1",
      "::1::",
    ];
    for (const hop of hops) {
      assert.equal(own.keyOf("10.0.0.1", hop), own.keyOf("10.0.0.1", undefined), hop);
      assert.equal(
        own.keyOf("10.0.0.1", `198.51.100.7, ${hop}, 10.0.0.2`),
        own.keyOf("10.0.0.2", undefined),
        hop,
      );
    }
  });

  it("takes the leftmost trusted hop when all are trusted", () => {
    const own = callers({ trustedProxies: ["10.0.0.0/8"] });
    assert.equal(own.keyOf("10.0.0.1", "10.0.0.3, 10.0.0.2"), own.keyOf("10.0.0.3", undefined));
  });

  it("trusts loopback and Unix sockets behind a proxy, others not", () => {
    const own = callers({ behindProxy: true });
    const stranger = own.keyOf("198.51.100.7", undefined);
    for (const peer of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", undefined]) {
      assert.equal(own.keyOf(peer, "198.51.100.7"), stranger, peer);
    }
    assert.notEqual(own.keyOf("192.0.2.1", "198.51.100.7"), stranger);
  });

  it("looks at a bounded number of hops", () => {
    const own = callers({ trustedProxies: ["10.0.0.0/8"] });
    const header = `198.51.100.7${", 10.0.0.2".repeat(100_000)}`;
    assert.equal(own.keyOf("10.0.0.1", header), own.keyOf("10.0.0.2", undefined));
  });

  it("refuses a trusted proxy that is no address or range", () => {
    for (const range of [
      "10.0.0.0/33",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "proxy",
      "::1/129",
      "",
      "10.0.0.0/-1",
      "fe80::%1/64",
    ]) {
      assert.throws(() => callers({ trustedProxies: [range] }), RangeError, range);
    }
  });
});
