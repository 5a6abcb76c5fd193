/**
 * In place of src/http/takeOver.ts: Bun cannot listen on a socket that it is handed. So it listens on
 * one of its own, of which nobody knows, and then the handed one is put in its place: under the same
 * number, and in the event loop with the same mark.
 */
import { fstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Server } from "node:http";
import { openLibc } from "./libc.ts";

const EPOLL_CTL_ADD = 1;
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const F_SETFL = 4;

interface Watched {
  readonly epoll: number;
  readonly fd: number;
  readonly events: number;
  readonly data: bigint;
}

/** proc(5): each line of an event loop's fdinfo is one descriptor that it watches. */
function watched(): readonly Watched[] {
  return readdirSync("/proc/self/fd").flatMap((name) => {
    const epoll = Number(name);
    try {
      if (readlinkSync(`/proc/self/fd/${name}`) !== "anon_inode:[eventpoll]") return [];
    } catch {
      // The directory that is being read has a descriptor, too, which is gone by now.
      return [];
    }
    const lines = readFileSync(`/proc/self/fdinfo/${name}`, "utf8");
    const entries = lines.matchAll(/^tfd:\s*(\d+) events:\s*([0-9a-f]+) data:\s*([0-9a-f]+)/gm);
    return [...entries].map(([, fd = "", events = "", data = ""]) => ({
      epoll,
      fd: Number(fd),
      events: Number.parseInt(events, 16),
      data: BigInt(`0x${data}`),
    }));
  });
}

export function takeOver(server: Server, fd: number, done: () => void): void {
  const before = watched();
  server.listen({ host: "127.0.0.1", port: 0 }, () => {
    const added = watched().filter(
      (one) =>
        !before.some(({ epoll, fd: known }) => epoll === one.epoll && known === one.fd) &&
        fstatSync(one.fd).isSocket(),
    );
    const [own, other] = added;
    if (own === undefined || other !== undefined)
      throw new Error("the socket of this runtime was not found in its event loop");
    const libc = openLibc();
    // struct epoll_event is packed: 4 bytes of events, 8 of data.
    const event = Buffer.alloc(12);
    event.writeUInt32LE(own.events, 0);
    event.writeBigUInt64LE(own.data, 4);
    if (
      libc.fcntl(fd, F_SETFL, O_NONBLOCK) !== 0 ||
      libc.dup3(fd, own.fd, O_CLOEXEC) !== own.fd ||
      libc.epoll_ctl(own.epoll, EPOLL_CTL_ADD, own.fd, event) !== 0
    )
      throw new Error("the listening socket could not be taken over");
    done();
  });
}
