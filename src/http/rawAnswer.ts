/** An answer written straight to a socket, where no request or response object of Node's is left. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Refusal } from "../core/errors.ts";
import { errorAnswer } from "./errors.ts";
import { JSON_TYPE, SAFE_HEADERS } from "./headers.ts";

/** Ends the connection with it: nobody knows what would come next on it. */
export function endWith(socket: Duplex, status: number, refusal: Refusal): void {
  socket.on("error", () => socket.destroy());
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(errorAnswer(refusal));
  const { retryAfterSeconds } = refusal;
  const headers = {
    ...SAFE_HEADERS,
    "Content-Type": JSON_TYPE,
    Connection: "close",
    ...(retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) }),
  };
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
