import assert from "node:assert/strict";
import { test } from "node:test";
import { networkChecks } from "../../src/doctor/network.ts";
import type { Verdict } from "../../src/doctor/verdict.ts";
import { selfSignedCertificate } from "../../src/http/selfsigned.ts";
import { madeUpHost, NOW_MS } from "./hosts.ts";

const DAY_MS = 86_400_000;

function look(id: string, files: Record<string, string>, certificate?: string): Verdict {
  const check = networkChecks(certificate).find((one) => one.id === `network.${id}`);
  const verdict = check?.look(madeUpHost({ files }));
  assert.ok(verdict !== undefined);
  return verdict;
}

function table(lines: readonly string[]): string {
  const head = "  sl  local_address rem_address   st tx_queue rx_queue\n";
  return head + lines.map((line, index) => `   ${index}: ${line} 00000000:00000000\n`).join("");
}

test("ports that only this machine can reach are not called open", () => {
  const files = {
    "/proc/net/tcp": table(["0100007F:0016 00000000:0000 0A", "3500007F:0035 00000000:0000 0A"]),
    "/proc/net/tcp6": table([
      "00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A",
      "0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A",
    ]),
  };
  assert.equal(look("ports", files).level, "fine");
});

test("ports that others can reach are told once, in order, and connections are none", () => {
  const files = {
    "/proc/net/tcp": table([
      "00000000:20FB 00000000:0000 0A",
      "0100000A:0016 00000000:0000 0A",
      "0100000A:0017 0200000A:C350 01",
    ]),
    "/proc/net/tcp6": table([
      "00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A",
      "000080FE00000000FF005450E1D90AFE:0050 00000000000000000000000000000000:0000 0A",
      "0000000000000000FFFF00000100000A:0051 00000000000000000000000000000000:0000 0A",
    ]),
  };
  const verdict = look("ports", files);
  assert.equal(verdict.level, "hint");
  assert.match(verdict.says, /: 22, 80, 81, 8443$/);
});

function certificateVerdict(madeMs: number): Verdict {
  const { certPem } = selfSignedCertificate("host", madeMs);
  return look("certificate", { "/cert.pem": certPem }, "/cert.pem");
}

test("a certificate is judged by its dates", () => {
  const current = certificateVerdict(NOW_MS);
  assert.equal(current.level, "hint");
  assert.match(current.says, /self-signed, valid until/);
  assert.match(current.advice ?? "", /--fingerprint [0-9a-f]{64}$/);
  assert.match(certificateVerdict(NOW_MS + 30 * DAY_MS).says, /valid only from/);
  assert.match(certificateVerdict(NOW_MS - 30 * 365 * DAY_MS).says, /expired on/);
});

test("a certificate that ends soon is a warning, with the days that are left", () => {
  const { certPem } = selfSignedCertificate("host", NOW_MS);
  const check = networkChecks("/c").find(({ id }) => id === "network.certificate");
  const host = madeUpHost({ files: { "/c": certPem } });
  const says = check?.look(host)?.says ?? "";
  const endMs = Date.parse(/until (\S+)$/.exec(says)?.[1] ?? "");
  const verdict = check?.look({ ...host, nowMs: endMs - 5 * DAY_MS });
  assert.equal(verdict?.level, "warning");
  assert.match(verdict?.says ?? "", /in 5 days$/);
});

test("a file that is missing or holds something else is told by its name", () => {
  assert.match(look("certificate", {}, "/none.pem").says, /^\/none\.pem cannot be read/);
  const verdict = look("certificate", { "/c": "-----BEGIN NONSENSE-----" }, "/c");
  assert.match(verdict.says, /^\/c holds no certificate/);
  assert.equal(verdict.level, "warning");
});
