/**
 * A certificate for a service that was given none: made at start, in memory, for this process.
 *
 * It proves nothing about who we are, but it encrypts, and its fingerprint (printed at start) lets
 * a client pin it. X.509 v3 (RFC 5280) in DER (ITU-T X.690), written by hand: one fixed shape with
 * an ECDSA P-256 key needs few kinds of element, and no parser.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";

export interface SelfSigned {
  readonly certPem: string;
  readonly keyPem: string;
  /** SHA-256 of the DER certificate, as upper-case hex pairs with colons (as browsers show it). */
  readonly fingerprint: string;
}

const DAY_MS = 86_400_000;
/** Some clients refuse certificates that live longer. */
const LIFETIME_MS = 397 * DAY_MS;

const OID = {
  commonName: "2.5.4.3",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  subjectAltName: "2.5.29.17",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
} as const;

/**
 * @param hostName of this machine, added to localhost, 127.0.0.1 and ::1 when it is a usable name
 * @param nowMs milliseconds since 1970; valid from a day before (clocks differ)
 */
export function selfSignedCertificate(hostName: string, nowMs: number): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const body = certificateBody(publicKey, subjectNames(hostName), algorithm, nowMs);
  const signature = sign("sha256", body, privateKey);
  const der = sequence(body, algorithm, bitString(signature, 0));
  const fingerprint = createHash("sha256").update(der).digest("hex").toUpperCase();
  return {
    certPem: `-----BEGIN CERTIFICATE-----\n${wrapped(der.toString("base64"), 64, "\n")}\n-----END CERTIFICATE-----\n`,
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    fingerprint: wrapped(fingerprint, 2, ":"),
  };
}

function certificateBody(
  publicKey: KeyObject,
  names: readonly string[],
  algorithm: Buffer,
  nowMs: number,
): Buffer {
  // A positive number: the first bit must be clear.
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const name = sequence(element(0x31, sequence(oid(OID.commonName), utf8String("Sandrun"))));
  return sequence(
    element(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    name,
    sequence(time(nowMs - DAY_MS), time(nowMs - DAY_MS + LIFETIME_MS)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    element(0xa3, sequence(...extensions(names))),
  );
}

function extensions(names: readonly string[]): Buffer[] {
  const critical = element(0x01, Buffer.from([0xff]));
  return [
    sequence(oid(OID.basicConstraints), critical, octetString(sequence())),
    // digitalSignature is bit 0, so seven bits of the byte are unused.
    sequence(oid(OID.keyUsage), critical, octetString(bitString(Buffer.from([0x80]), 7))),
    sequence(oid(OID.extendedKeyUsage), octetString(sequence(oid(OID.serverAuth)))),
    sequence(oid(OID.subjectAltName), octetString(sequence(...names.map(generalName)))),
  ];
}

/** A DNS name that cannot be written as IA5String would make the certificate unreadable. */
function subjectNames(hostName: string): string[] {
  const names = ["localhost", "127.0.0.1", "::1"];
  const isName = /^(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*$/.test(hostName);
  const isUsable = isName && hostName.length <= 253 && !isIPv4(hostName);
  return isUsable && !names.includes(hostName) ? [...names, hostName] : names;
}

function generalName(name: string): Buffer {
  if (isIPv4(name)) return element(0x87, Buffer.from(name.split(".").map(Number)));
  if (isIPv6(name)) return element(0x87, Buffer.concat([Buffer.alloc(15), Buffer.from([1])]));
  return element(0x82, Buffer.from(name, "ascii"));
}

/** Tag, length, contents (X.690 §8.1); the length in the shortest form, as DER wants. */
function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const digits = body.length.toString(16);
  const length = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body]);
}

const sequence = (...contents: readonly Uint8Array[]): Buffer => element(0x30, ...contents);
const octetString = (contents: Uint8Array): Buffer => element(0x04, contents);
const integer = (bigEndian: Uint8Array): Buffer => element(0x02, bigEndian);
const utf8String = (text: string): Buffer => element(0x0c, Buffer.from(text));
const bitString = (bits: Uint8Array, unusedBits: number): Buffer =>
  element(0x03, Buffer.from([unusedBits]), bits);

/** X.690 §8.19: the first two arcs in one byte, the others base 128. */
function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(arc: number): number[] {
  const digits = [arc & 0x7f];
  for (let rest = arc >>> 7; rest > 0; rest >>>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

/** UTCTime through 2049, GeneralizedTime after (RFC 5280 §4.1.2.5). */
function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return digits < "2050"
    ? element(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : element(0x18, Buffer.from(`${digits}Z`));
}

function wrapped(text: string, width: number, separator: string): string {
  return (text.match(new RegExp(`.{1,${width}}`, "g")) ?? []).join(separator);
}
