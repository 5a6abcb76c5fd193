/** Which server a command talks to, and how it knows that it is the right one. */
import type { SandrunClient } from "../client/client.ts";
import type { Io } from "./io.ts";
import type { Parsed } from "./usage.ts";
import { one, UsageError } from "./usage.ts";

/** The server's address as given by option or environment. */
export function serverUrl(parsed: Parsed, io: Io): string | undefined {
  const given = one(parsed, "server") ?? io.env["SANDRUN_SERVER"];
  return given === "" ? undefined : given;
}

/**
 * A client of that server. Plain HTTP is for this machine only: code and results are private.
 * @throws UsageError
 */
export async function openClient(server: string, parsed: Parsed, io: Io): Promise<SandrunClient> {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined || !["https:", "http:"].includes(url.protocol))
    throw new UsageError("--server takes an address like https://host:8443");
  if (url.protocol === "http:" && !isLoopback(url.hostname))
    throw new UsageError("plain http goes to this machine only; use https");
  const fingerprint = one(parsed, "fingerprint") ?? io.env["SANDRUN_FINGERPRINT"];
  const { SandrunClient } = await import("../client/client.ts");
  if (fingerprint === undefined || fingerprint === "") return new SandrunClient({ server });
  if (url.protocol === "http:") throw new UsageError("a fingerprint needs an https server");
  const { parseFingerprint, pinnedFetch } = await import("./pinned.ts");
  return new SandrunClient({ server, fetch: pinnedFetch(parseFingerprint(fingerprint)) });
}

/** For the commands that make no sense without one. @throws UsageError */
export async function requireClient(parsed: Parsed, io: Io): Promise<SandrunClient> {
  const server = serverUrl(parsed, io);
  if (server === undefined)
    throw new UsageError("this needs a server: --server URL, or SANDRUN_SERVER");
  return openClient(server, parsed, io);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}
