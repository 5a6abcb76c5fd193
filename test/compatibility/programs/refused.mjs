// What Node says where the network is refused: an error that names the call, and at once.

import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";

const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);
const told = async (name, attempt) => {
  try {
    await attempt();
    say(name, "allowed");
  } catch (error) {
    say(name, error.code ?? error.cause?.code, error.syscall ?? error.cause?.syscall);
  }
};

await told("listen", () => once(createServer().listen(0, "127.0.0.1"), "listening"));
await told("listen on a path", () => once(createServer().listen("/tmp/socket"), "listening"));
await told("connect", () => once(connect(80, "127.0.0.1"), "connect"));
await told("fetch", () => fetch("http://127.0.0.1/"));
await told("lookup", () => lookup("example.org"));
await told("datagram", async () => {
  const socket = createSocket("udp4");
  socket.bind(0);
  await once(socket, "listening");
});
// Listing them needs a socket, too; libuv passes the refusal on without its name.
await told("interfaces", async () => networkInterfaces());
// Still alive and able after all this.
say("child", (await once(spawn("true"), "exit"))[0]);
say("done");
