/** Which server a command talks to, and how it knows that it is the right one. */
import type { SandrunClient } from "../client/client.ts";
import type { Io } from "./io.ts";
import { showingFetch } from "./sending.ts";
import { readSettings } from "./settings.ts";
import type { Parsed } from "./usage.ts";
import { has, one, UsageError } from "./usage.ts";

export interface ServerChoice {
  readonly server: string;
  /** Of its certificate; undefined = an authority's word is wanted. */
  readonly fingerprint: string | undefined;
}

/**
 * The server as given by option, variable or settings file, in this order; undefined = none, or
 * `--local`. A fingerprint in the file is that server's: one that was named elsewhere has not it.
 * @throws UsageError
 */
export async function chosenServer(parsed: Parsed, io: Io): Promise<ServerChoice | undefined> {
  if (has(parsed, "local")) {
    if (has(parsed, "server")) throw new UsageError("--local and --server exclude each other");
    return undefined;
  }
  const fingerprint = one(parsed, "fingerprint") ?? io.env["SANDRUN_FINGERPRINT"];
  const given = one(parsed, "server") ?? io.env["SANDRUN_SERVER"];
  if (given !== undefined && given !== "") return { server: given, fingerprint };
  const settings = await readSettings(io.env);
  if (settings.server === undefined) return undefined;
  return { server: settings.server, fingerprint: fingerprint ?? settings.fingerprint };
}

/**
 * A client of that server. Plain HTTP is for this machine only: code and results are private.
 * @throws UsageError
 */
export async function openClient(
  { server, fingerprint }: ServerChoice,
  io: Io,
): Promise<SandrunClient> {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url === undefined || !["https:", "http:"].includes(url.protocol))
    throw new UsageError("--server takes an address like https://host:8443");
  if (url.protocol === "http:" && !isLoopback(url.hostname))
    throw new UsageError("plain http goes to this machine only; use https");
  const { SandrunClient } = await import("../client/client.ts");
  if (fingerprint === undefined || fingerprint === "")
    return new SandrunClient({
      server,
      fetch: showingFetch((address, init) => fetch(address, init), io),
    });
  if (url.protocol === "http:") throw new UsageError("a fingerprint needs an https server");
  const { parseFingerprint, pinnedFetch, pinnedSocket } = await import("./pinned.ts");
  const pin = parseFingerprint(fingerprint);
  return new SandrunClient({
    server,
    fetch: showingFetch(pinnedFetch(pin), io),
    webSocket: pinnedSocket(pin),
  });
}

/** For the commands that make no sense without one. @throws UsageError */
export async function requireClient(parsed: Parsed, io: Io): Promise<SandrunClient> {
  const choice = await chosenServer(parsed, io);
  if (choice === undefined)
    throw new UsageError("this needs a server: --server URL, SANDRUN_SERVER or the settings file");
  return openClient(choice, io);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}
