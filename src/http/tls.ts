/** TLS for the listener: 1.2 and newer, nothing else offered. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { SecureContextOptions } from "node:tls";

export interface TlsFiles {
  /** PEM; the server's certificate first, then those that sign it. */
  readonly cert: Buffer | string;
  readonly key: Buffer | string;
}

/** A certificate or key that cannot be used; the message is one sentence for the operator. */
export class TlsError extends Error {
  override readonly name = "TlsError";
}

/**
 * Options for `https.createServer`.
 * @throws TlsError when either file cannot be read or they do not belong together
 */
export function tlsOptions(files: TlsFiles): SecureContextOptions {
  const certificate = readAs("certificate", () => new X509Certificate(files.cert));
  const key = readAs("key", () => createPrivateKey(files.key));
  if (!certificate.checkPrivateKey(key)) {
    throw new TlsError("The key does not belong to the certificate.");
  }
  const { cert, key: pem } = files;
  // No authority is trusted here, as callers have no certificates: a list of all would only take room.
  return { cert, key: pem, ca: [], minVersion: "TLSv1.2", honorCipherOrder: true };
}

/** SHA-256 of the certificate, upper-case hex pairs with colons. */
export function fingerprintOf(cert: Buffer | string): string {
  return readAs("certificate", () => new X509Certificate(cert)).fingerprint256;
}

function readAs<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new TlsError(`The ${what} is not a PEM file that can be used.`, { cause });
  }
}
