/** Listens on the socket that the warden opened. The lean build has a module in place of this. */
import type { Server } from "node:http";

export function takeOver(server: Server, fd: number, done: () => void): void {
  server.listen({ fd }, done);
}
