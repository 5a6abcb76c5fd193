/** The service on a real socket, and a client that sends exactly the bytes it is told to. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Listening, listen, type ServerOptions } from "../../src/http/server.ts";
import { makeRig, type Rig } from "./service.ts";

export interface WireRig extends Rig {
  readonly server: Listening;
  readonly port: number;
  /** Ends server and service. */
  stop(): Promise<void>;
}

export async function serveRig(
  options: Partial<ServerOptions> = {},
  rig: Rig = makeRig(),
): Promise<WireRig> {
  const log = (fields: (typeof rig.logged)[number]) => rig.logged.push(fields);
  const limits = { drainMs: 200, checkMs: 50, ...options.limits };
  const server = await listen(
    { app: rig.app, upgrades: rig.upgrades, log, ...options, limits },
    { host: "127.0.0.1", port: 0 },
  );
  const port = server.port ?? 0;
  const stop = async () => {
    await server.close();
    await rig.close();
  };
  return { ...rig, server, port, stop };
}

export async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** Sends the bytes and resolves with all that came back when the server closed. */
export async function exchange(port: number, bytes: string | Uint8Array): Promise<string> {
  const socket = await openSocket(port);
  socket.write(bytes);
  return untilClosed(socket);
}

export async function untilClosed(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  if (!socket.destroyed) await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}

/** Resolves when what came back satisfies `enough`. */
export async function until(socket: Socket, enough: (text: string) => boolean): Promise<string> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += (chunk as Buffer).toString("latin1");
    if (enough(text)) return text;
  }
  return text;
}
