/**
 * The service's certificate. Its own, when it was given none, is kept across restarts and replacements of this process: callers
 * pin its fingerprint, which must not change while the service runs. It lies in memory that the
 * warden holds and each process of the service is given; no file, and nothing of a job.
 */
import { readFileSync, readSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { type SelfSigned, selfSignedCertificate } from "./http/selfsigned.ts";
import type { Handover } from "./sandbox/handover.ts";

export interface KeptCertificate {
  readonly certPem: string;
  readonly keyPem: string;
  /** Printed when the certificate is our own. */
  readonly fingerprint?: string;
}

interface Kept extends SelfSigned {
  readonly madeAtMs: number;
}

const LENGTH_BYTES = 4;
/** Of the memory that the warden made for it. */
const MOST_BYTES = 65_536 - LENGTH_BYTES;
/** A third of what it is valid for: a service that runs on for months takes a new one in time. */
const KEPT_MS = 132 * 86_400_000;

/** The one that the operator gave, else our own. */
export function certificateOf({ descriptors }: Handover): KeptCertificate {
  const cert = descriptors.get("cert");
  const key = descriptors.get("key");
  if (cert === undefined || key === undefined) {
    return keptCertificate(descriptors.get("certificate"), hostname(), Date.now());
  }
  return { certPem: readFileSync(cert, "utf8"), keyPem: readFileSync(key, "utf8") };
}

/**
 * The one that an earlier process left, else a new one, which is left for the next.
 * @param descriptor of that memory; undefined = there is none, and it is made for this process
 */
export function keptCertificate(
  descriptor: number | undefined,
  hostName: string,
  nowMs: number,
): SelfSigned {
  const kept = descriptor === undefined ? undefined : readKept(descriptor);
  if (kept !== undefined && Math.abs(nowMs - kept.madeAtMs) < KEPT_MS) return kept;
  const made: Kept = { ...selfSignedCertificate(hostName, nowMs), madeAtMs: nowMs };
  if (descriptor !== undefined) leave(descriptor, made);
  return made;
}

/** Undefined when nothing, or nothing whole, was left. */
function readKept(descriptor: number): Kept | undefined {
  const length = Buffer.alloc(LENGTH_BYTES);
  readSync(descriptor, length, 0, LENGTH_BYTES, 0);
  const bytes = length.readUInt32LE();
  if (bytes === 0 || bytes > MOST_BYTES) return undefined;
  const text = Buffer.alloc(bytes);
  readSync(descriptor, text, 0, bytes, LENGTH_BYTES);
  return JSON.parse(text.toString()) as Kept;
}

/** The length last: a process that dies in between leaves nothing rather than half of it. */
function leave(descriptor: number, made: Kept): void {
  const text = Buffer.from(JSON.stringify(made));
  const length = Buffer.alloc(LENGTH_BYTES);
  writeSync(descriptor, length, 0, LENGTH_BYTES, 0);
  writeSync(descriptor, text, 0, text.length, LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  writeSync(descriptor, length, 0, LENGTH_BYTES, 0);
}
