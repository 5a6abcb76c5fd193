/**
 * What is under way on the listener: for whoever must know whether it can be closed without a loss.
 * Connections are kept alive between requests; one that is closed while the next request is on its
 * way has lost it. So before the listener is left, each answer says that its connection ends,
 * and those connections that could still be used are gone within the keep-alive time.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Requests of these methods bring no job. */
const BODILESS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS"]);

export class Traffic {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #answers = 0;
  #requests = 0;
  #bodies = 0;
  #isEnding = false;
  #onLess: () => void = () => undefined;

  constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        this.#onLess();
      });
    });
    server.prependListener("request", (request, answer) => {
      this.#answers += 1;
      this.#requests += 1;
      if (!BODILESS.has(request.method)) this.#bodies += 1;
      if (this.#isEnding) answer.shouldKeepAlive = false;
      answer.once("close", () => {
        this.#answers -= 1;
        this.#onLess();
      });
    });
  }

  /** Requests whose answer is not out yet. */
  get answers(): number {
    return this.#answers;
  }

  /** Since the start. */
  get requests(): number {
    return this.#requests;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Requests since the start that may have brought something of a caller's. */
  get bodies(): number {
    return this.#bodies;
  }

  /** From now on each answer is the last one of its connection, or no longer so. */
  endConnections(isEnding: boolean): void {
    this.#isEnding = isEnding;
  }

  /** @param onLess called when an answer is out or a connection closed; one listener at a time */
  watch(onLess: () => void): void {
    this.#onLess = onLess;
  }

  /** Accepts nothing more, and cuts what is left. Who listens on the same socket takes over. */
  leave(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
  }
}
