import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { connect } from "node:tls";
import { selfSignedCertificate } from "../../src/http/selfsigned.ts";
import { fingerprintOf, TlsError, tlsOptions } from "../../src/http/tls.ts";

const NOW_MS = Date.now();

function openssl(args: readonly string[], certPem: string): string {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-cert-"));
  try {
    const path = join(directory, "cert.pem");
    writeFileSync(path, certPem);
    const words = args.map((word) => (word === "CERT" ? path : word));
    return execFileSync("openssl", words, { encoding: "utf8" });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("selfSignedCertificate", () => {
  it("is what openssl reads and verifies", () => {
    const { certPem, fingerprint } = selfSignedCertificate("box.example", NOW_MS);
    const text = openssl(["x509", "-in", "CERT", "-noout", "-text"], certPem);
    assert.match(text, /Version: 3/);
    assert.match(text, /prime256v1/);
    assert.match(text, /ecdsa-with-SHA256/);
    assert.match(text, /Basic Constraints: critical\s+CA:FALSE/);
    assert.match(text, /Key Usage: critical\s+Digital Signature\n/);
    assert.match(text, /TLS Web Server Authentication/);
    assert.match(
      text,
      /DNS:localhost, IP Address:127\.0\.0\.1, IP Address:0:0:0:0:0:0:0:1, DNS:box\.example/,
    );
    assert.match(openssl(["verify", "-CAfile", "CERT", "CERT"], certPem), /: OK/);
    const shown = openssl(["x509", "-in", "CERT", "-noout", "-fingerprint", "-sha256"], certPem);
    assert.ok(shown.includes(fingerprint));
    assert.equal(fingerprintOf(certPem), fingerprint);
  });

  it("is valid now and about a year, also past 2050", () => {
    for (const nowMs of [NOW_MS, Date.UTC(2049, 6, 1), Date.UTC(2060, 0, 1)]) {
      const { validFromDate, validToDate } = new X509Certificate(
        selfSignedCertificate("h", nowMs).certPem,
      );
      assert.ok(validFromDate.getTime() < nowMs);
      const days = (validToDate.getTime() - nowMs) / 86_400_000;
      assert.ok(days > 300 && days < 398);
    }
  });

  it("has a new key and a positive serial number every time", () => {
    const made = Array.from({ length: 20 }, () => selfSignedCertificate("h", NOW_MS));
    assert.equal(new Set(made.map(({ keyPem }) => keyPem)).size, 20);
    for (const { certPem } of made) {
      const { serialNumber } = new X509Certificate(certPem);
      assert.match(serialNumber, /^[4-7][0-9A-F]{31}$/);
    }
  });

  it("leaves out host names that no certificate can carry", () => {
    for (const name of [
      "",
      "a b",
      "-x",
      "x".repeat(64),
      "büro",
      "a\0b",
      "localhost",
      "10.0.0.1",
      "a.".repeat(150),
    ]) {
      const { certPem } = selfSignedCertificate(name, NOW_MS);
      assert.equal(
        new X509Certificate(certPem).subjectAltName,
        "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
      );
    }
  });

  it("lets a client that pins it connect, and nobody who expects another", async () => {
    const { certPem, keyPem } = selfSignedCertificate("h", NOW_MS);
    const server = createServer(tlsOptions({ cert: certPem, key: keyPem }), (_, answer) => {
      answer.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const handshake = (ca: string, maxVersion: "TLSv1.1" | "TLSv1.3" = "TLSv1.3") =>
      new Promise<string | null>((resolve, reject) => {
        const client = connect({
          port,
          host: "127.0.0.1",
          servername: "localhost",
          ca,
          maxVersion,
          minVersion: "TLSv1",
        });
        client.once("error", reject);
        client.once("secureConnect", () => {
          resolve(client.getProtocol());
          client.destroy();
        });
      });
    assert.equal(await handshake(certPem), "TLSv1.3");
    await assert.rejects(handshake(selfSignedCertificate("h", NOW_MS).certPem));
    await assert.rejects(handshake(certPem, "TLSv1.1"));
    server.close();
  });
});

describe("tlsOptions", () => {
  it("refuses files that are no PEM, or that do not belong together, in one sentence", () => {
    const one = selfSignedCertificate("h", NOW_MS);
    const two = selfSignedCertificate("h", NOW_MS);
    const pairs = [
      { cert: one.certPem, key: two.keyPem, says: /does not belong/ },
      { cert: "nonsense", key: one.keyPem, says: /certificate is not a PEM/ },
      { cert: one.certPem, key: one.certPem, says: /key is not a PEM/ },
      { cert: one.certPem, key: "", says: /key is not a PEM/ },
    ];
    for (const { says, ...files } of pairs) {
      assert.throws(
        () => tlsOptions(files),
        (error) => error instanceof TlsError && says.test(error.message),
      );
    }
  });
});
