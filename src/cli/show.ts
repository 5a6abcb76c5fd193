/** What the command line says for a person, and the exit status that tells how a job ended. */
import { constants } from "node:os";
import { ApiError } from "../client/errors.ts";
import { Refusal } from "../core/errors.ts";
import type { Outcome } from "../core/job.ts";
import { shown } from "../core/words.ts";
import { UsageError } from "./usage.ts";

export const EXIT = {
  timedOut: 124,
  /** The sandbox failed, or we refused: not the program's own end. */
  sandbox: 125,
  interrupted: 130,
  outOfMemory: 137,
  /** 128 + SIGPIPE: nobody reads what we print. */
  brokenPipe: 141,
} as const;

/** The exit status that tells how a job ended: its own wherever it has one. */
export function exitStatus(outcome: Outcome): number {
  switch (outcome.kind) {
    case "exited":
      return outcome.exitCode & 0xff;
    case "signalled":
      return 128 + signalNumber(outcome.signal);
    case "timed_out":
    case "cpu_limit":
      return EXIT.timedOut;
    case "out_of_memory":
      return EXIT.outOfMemory;
    case "cancelled":
      return EXIT.interrupted;
    case "output_limit":
    case "evicted":
    case "sandbox_error":
      return EXIT.sandbox;
  }
}

function signalNumber(name: string): number {
  return new Map<string, number>(Object.entries(constants.signals)).get(name) ?? 0;
}

/** A refusal, an answer of a server or a fault of ours, as one line. */
export function errorSentence(error: unknown): string {
  if (error instanceof Refusal || error instanceof ApiError) {
    const details = error.details === undefined ? "" : ` ${shown(error.details)}`;
    return `${shown(error.message)}${details}`;
  }
  if (!(error instanceof Error)) return "something failed that is not an error";
  const network = networkSentence(error);
  if (network !== undefined) return network;
  // A usage error has said it all; of other errors the cause is the interesting half.
  if (error instanceof UsageError) return shown(error.message);
  const cause = error.cause instanceof Error ? ` (${shown(error.cause.message)})` : "";
  return `${shown(error.message)}${cause}`;
}

const UNTRUSTED =
  "the server's certificate is not trusted; if you know its fingerprint, give --fingerprint";

const NETWORK_SENTENCES: ReadonlyMap<unknown, string> = new Map([
  ["DEPTH_ZERO_SELF_SIGNED_CERT", UNTRUSTED],
  ["SELF_SIGNED_CERT_IN_CHAIN", UNTRUSTED],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", UNTRUSTED],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", UNTRUSTED],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "the server's certificate is for another name"],
  ["CERT_HAS_EXPIRED", "the server's certificate has expired"],
  ["ECONNREFUSED", "no server answers at that address"],
  ["ENOTFOUND", "there is no host of that name"],
  ["EAI_AGAIN", "the host's name cannot be looked up now"],
  ["ECONNRESET", "the server closed the connection"],
  ["UND_ERR_SOCKET", "the server closed the connection"],
  ["EPROTO", "the server does not speak TLS there"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "the server does not speak TLS there"],
]);

/** `fetch` hides the reason in its cause. */
function networkSentence(error: Error): string | undefined {
  const reason: unknown = error.cause ?? error;
  if (typeof reason !== "object" || reason === null || !("code" in reason)) return undefined;
  return NETWORK_SENTENCES.get(reason.code);
}
