/** One TLS connection that asks and waits, over and over. */
import { once } from "node:events";
import { connect } from "node:tls";

export interface Connection {
  /** Sends a whole request; resolves with the whole answer. */
  ask(request: Buffer): Promise<string>;
  close(): void;
}

/** Undefined while the answer is not whole. */
function wholeAnswer(bytes: Buffer): string | undefined {
  const head = bytes.indexOf("\r\n\r\n");
  if (head === -1) return undefined;
  const length = /content-length: (\d+)/i.exec(bytes.toString("latin1", 0, head))?.[1];
  if (length === undefined) throw new Error("an answer without a length");
  return bytes.length < head + 4 + Number(length) ? undefined : bytes.toString();
}

export async function connectTo(port: number): Promise<Connection> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  socket.setNoDelay(true);
  let waiting: PromiseWithResolvers<string> | undefined;
  let come: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    come = come.length === 0 ? chunk : Buffer.concat([come, chunk]);
    const answer = wholeAnswer(come);
    if (answer === undefined) return;
    come = Buffer.alloc(0);
    waiting?.resolve(answer);
  });
  const fail = (error: Error) => waiting?.reject(error);
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the connection was closed")));
  return {
    ask: (request) => {
      waiting = Promise.withResolvers<string>();
      socket.write(request);
      return waiting.promise;
    },
    close: () => {
      waiting = undefined;
      socket.destroy();
    },
  };
}
