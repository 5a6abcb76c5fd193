/** Which ports are open to others, and the certificate that the service will show. */
import { X509Certificate } from "node:crypto";
import { DOCTOR_LIMITS } from "../core/limits.ts";
import type { Host } from "./host.ts";
import { type Check, fine, hint, type Verdict, warning } from "./verdict.ts";

const LISTENING = "0A";

/**
 * Whether only this machine can reach an address as /proc/net/tcp has it: words of four bytes, each
 * word with its last byte first.
 */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith("7F");
  if (address === "00000000000000000000000001000000") return true;
  return address.startsWith("0000000000000000FFFF0000") && address.endsWith("7F");
}

function openPorts(table: string): readonly number[] {
  return table.split("\n").flatMap((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/);
    const [address = "", port = ""] = local.split(":");
    return state === LISTENING && !isLoopback(address) ? [Number.parseInt(port, 16)] : [];
  });
}

function lookAtPorts(host: Host): Verdict {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) => host.read(path) ?? []);
  if (tables.length === 0) return hint("/proc/net/tcp cannot be read");
  const ports = [...new Set(tables.flatMap(openPorts))].sort((a, b) => a - b);
  if (ports.length === 0) return fine("none is open beyond this machine");
  return hint(
    `open beyond this machine, unless a firewall stands before them: ${ports.join(", ")}`,
    {
      advice: "Who listens there:",
      commands: [host.uid === 0 ? "ss -ltnp" : "sudo ss -ltnp"],
    },
  );
}

const DAY_MS = 86_400_000;

/** @param text of the file that was named, undefined when it cannot be read */
function judgeCertificate(path: string, text: string | undefined, nowMs: number): Verdict {
  if (text === undefined)
    return warning(`${path} cannot be read`, { advice: "The service reads it as root." });
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(text);
  } catch {
    return warning(`${path} holds no certificate in PEM`);
  }
  const fromMs = Date.parse(certificate.validFrom);
  const toMs = Date.parse(certificate.validTo);
  const date = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  if (nowMs < fromMs) return warning(`${path} is valid only from ${date(fromMs)}`);
  const renew = { advice: "Renew it, then restart the service, which reads it when it starts." };
  if (nowMs > toMs) return warning(`${path} expired on ${date(toMs)}`, renew);
  const days = Math.floor((toMs - nowMs) / DAY_MS);
  if (days < DOCTOR_LIMITS.certificateDays)
    return warning(`${path} expires on ${date(toMs)}, in ${days} days`, renew);
  if (certificate.issuer === certificate.subject && certificate.verify(certificate.publicKey))
    return hint(`${path} is self-signed, valid until ${date(toMs)}`, {
      advice: `Clients trust it by sandrun --fingerprint ${certificate.fingerprint256.replaceAll(":", "").toLowerCase()}`,
    });
  return fine(`${path} is valid until ${date(toMs)}`);
}

function lookAtCertificate(host: Host, path: string | undefined): Verdict {
  if (path === undefined)
    return hint("none was named; without --cert the service makes one itself at each start", {
      advice: "To have yours looked at: sandrun doctor --cert FILE",
    });
  return judgeCertificate(path, host.read(path), host.nowMs);
}

/** @param certificate the file named on the command line */
export function networkChecks(certificate: string | undefined): readonly Check[] {
  return [
    { id: "network.ports", title: "open ports", look: lookAtPorts },
    {
      id: "network.certificate",
      title: "certificate",
      look: (host) => lookAtCertificate(host, certificate),
    },
  ];
}
