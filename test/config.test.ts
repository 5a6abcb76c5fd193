import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeOptions, parseServeOptions } from "../src/config.ts";
import { OPTIONS, optionKeys, variableOf } from "../src/configTable.ts";
import { UsageError } from "../src/configValues.ts";

describe("parseServeOptions", () => {
  it("listens with TLS on all addresses, port 8443, when nothing is said", () => {
    assert.deepEqual(parseServeOptions([], {}), {
      listen: { kind: "tcp", host: undefined, port: 8443 },
      tls: undefined,
      behindProxy: false,
      trustedProxies: [],
      quotaCpuSeconds: 10,
      sleep: false,
      web: false,
      maxRunning: 2,
      maxWaiting: 20,
      slots: undefined,
      queue: 1000,
      ramBudgetBytes: undefined,
      jobCpus: 1,
      maxTimeoutSeconds: 3600,
      maxMemoryMb: 2048,
      environments: [],
      mcp: false,
      piston: false,
    });
  });

  it("reads every option", () => {
    const words =
      "--port 9 --listen ::1 --cert c.pem --key k.pem --trusted-proxy 10.0.0.0/8 --trusted-proxy ::1 " +
      "--quota-cpu-seconds 7 --max-running 3 --max-waiting 4 --slots 5 --queue 6 --ram-budget 2G --job-cpus 1.5 " +
      "--max-timeout 60 --sleep --web --max-memory 128 --environment sci=/srv/sci --environment r=/srv/r=1 --mcp --piston";
    assert.deepEqual(parseServeOptions(words.split(" "), {}), {
      listen: { kind: "tcp", host: "::1", port: 9 },
      tls: { certPath: "c.pem", keyPath: "k.pem" },
      behindProxy: false,
      trustedProxies: ["10.0.0.0/8", "::1"],
      quotaCpuSeconds: 7,
      sleep: true,
      web: true,
      maxRunning: 3,
      maxWaiting: 4,
      slots: 5,
      queue: 6,
      ramBudgetBytes: 2 * 1024 ** 3,
      jobCpus: 1.5,
      maxTimeoutSeconds: 60,
      maxMemoryMb: 128,
      environments: [
        { name: "sci", directory: "/srv/sci" },
        { name: "r", directory: "/srv/r=1" },
      ],
      mcp: true,
      piston: true,
    });
  });

  it("reads every option from its variable too, below the command line", () => {
    const env = {
      SANDRUN_PORT: "9",
      SANDRUN_BEHIND_PROXY: "true",
      SANDRUN_TRUSTED_PROXY: "10.0.0.0/8,::1",
      SANDRUN_RAM_BUDGET: "512m",
      SANDRUN_MAX_RUNNING: "",
      SANDRUN_UNKNOWN: "x",
    };
    const config = parseServeOptions(["--port=10"], env);
    assert.deepEqual(config.listen, { kind: "tcp", host: "127.0.0.1", port: 10 });
    assert.deepEqual(config.trustedProxies, ["10.0.0.0/8", "::1"]);
    assert.equal(config.ramBudgetBytes, 512 * 1024 ** 2);
    assert.equal(config.maxRunning, 2);
    assert.equal(variableOf("maxRunning"), "SANDRUN_MAX_RUNNING");
  });

  it("serves plain HTTP on loopback or a Unix socket only, and only when asked to", () => {
    const listenOf = (...words: string[]) => parseServeOptions(words, {}).listen;
    assert.deepEqual(listenOf("--behind-proxy"), { kind: "tcp", host: "127.0.0.1", port: 8443 });
    assert.deepEqual(listenOf("--behind-proxy", "--listen", "::1", "--port", "0"), {
      kind: "tcp",
      host: "::1",
      port: 0,
    });
    assert.deepEqual(listenOf("--behind-proxy", "--listen", "/run/sandrun.sock"), {
      kind: "unix",
      path: "/run/sandrun.sock",
    });
  });

  it("refuses what cannot be used, in one sentence that names it", () => {
    const refused: readonly [string, RegExp][] = [
      ["--bogus", /'--bogus'/],
      ["--quota-cpu-seconds 0", /--quota-cpu-seconds must be/],
      ["--worker-key k", /worker-key/],
      ["--no-seccomp", /no-seccomp/],
      ["--no-web", /no-web/],
      ["extra", /extra/],
      ["--port", /--port/],
      ["--port 65536", /--port must be a whole number from 0 to 65535/],
      ["--port 80x", /--port/],
      ["--port 1e3", /--port/],
      ["--port 1 --port 2", /--port is given twice/],
      ["--listen example.org", /--listen/],
      ["--listen /run/x.sock", /--behind-proxy/],
      ["--behind-proxy --listen 0.0.0.0", /loopback/],
      ["--behind-proxy --listen ::", /loopback/],
      ["--behind-proxy --listen 10.0.0.1", /loopback/],
      ["--behind-proxy --cert c --key k", /plain HTTP/],
      ["--cert c.pem", /--cert needs --key/],
      ["--key k.pem", /--key needs --cert/],
      ["--trusted-proxy 10.0.0.0/33", /--trusted-proxy/],
      ["--trusted-proxy everybody", /--trusted-proxy/],
      ["--max-running 0", /--max-running/],
      ["--slots 257", /--slots/],
      ["--ram-budget 4", /--ram-budget/],
      ["--ram-budget 4X", /--ram-budget/],
      ["--ram-budget -4G", /--ram-budget/],
      ["--ram-budget 999999999999T", /--ram-budget/],
      ["--job-cpus 0", /--job-cpus/],
      ["--max-timeout 3601", /--max-timeout/],
      ["--max-memory 63", /--max-memory/],
      ["--environment x", /NAME=DIR/],
      ["--environment ../x=/y", /NAME=DIR/],
      ["--environment x=/a --environment x=/b", /"x" is given twice/],
    ];
    for (const [words, says] of refused) {
      assert.throws(
        () => parseServeOptions(words.split(" "), {}),
        (error) => {
          assert.ok(error instanceof UsageError, words);
          assert.match(error.message, says);
          assert.match(error.message, /^[^\n]*\.$/);
          return true;
        },
      );
    }
    assert.throws(() => parseServeOptions([], { SANDRUN_SLOTS: "many" }), /SANDRUN_SLOTS must be/);
  });

  it("switches on and off, by word and by variable", () => {
    const sleepOf = (words: string[], variable?: string) =>
      parseServeOptions(words, { SANDRUN_SLEEP: variable }).sleep;
    assert.equal(sleepOf(["--sleep"], "false"), true);
    assert.equal(sleepOf(["--no-sleep"], "true"), false);
    assert.deepEqual([sleepOf([], "true"), sleepOf([], "false")], [true, false]);
    assert.throws(
      () => sleepOf(["--sleep", "--no-sleep"]),
      /^UsageError: --sleep is given twice\.$/,
    );
  });

  it("reads sizes in powers of 1024", () => {
    for (const text of ["1G", "1g", "1GB", "1GiB", "1024M", "1048576K", "1073741824"]) {
      assert.equal(parseServeOptions(["--ram-budget", text], {}).ramBudgetBytes, 1024 ** 3, text);
    }
  });
});

describe("describeOptions", () => {
  it("names every option, its variable and its default", () => {
    const text = describeOptions();
    for (const key of optionKeys()) {
      assert.ok(text.includes(`--${OPTIONS[key].name}`), key);
      assert.ok(text.includes(variableOf(key)), key);
    }
    assert.match(text, /default 8443/);
    assert.match(text, /\(default false;\s+SANDRUN_SLEEP\)/);
    assert.match(text, /^ {2}--no-sleep /m);
    assert.doesNotMatch(text, /metrics|worker-key/);
  });
});
