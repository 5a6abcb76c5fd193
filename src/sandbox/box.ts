/**
 * One box as a stream: frames out, frames in; closing it destroys the box. The end of the
 * stream means that the keeper waited for the box and nothing of it is left.
 */
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { SandboxFault } from "../core/errors.ts";
import type { InputTree } from "../core/job.ts";
import {
  type BoxRequest,
  CHUNK_MOST,
  decodeFault,
  decodeNumbers,
  encodeFile,
  encodeHeader,
  encodeRequest,
  FRAME,
  type Frame,
  FrameParser,
  LAYERS,
  layersOf,
} from "../core/wire.ts";

/** How long the keeper and the box's own checks may take, on a machine that is very busy. */
const BUILD_MS = 60_000;

export class Box {
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #parser = new FrameParser();
  readonly #gone: Promise<void>;
  #frames: Frame[] = [];
  #destroyed = false;
  isolation: readonly string[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#chunks = socket[Symbol.asyncIterator]();
    this.#gone = new Promise((resolve) => {
      socket.once("close", () => resolve());
    });
    // What fails is told by the reading side; without a listener it would end the process.
    socket.on("error", () => undefined);
  }

  /**
   * Asks the keeper for a box and waits until every layer of it holds. When it rejects, nothing
   * of the box is left, so that its slot can be leased again.
   * @throws SandboxFault with the step that failed.
   */
  static async build(keeper: string, request: BoxRequest): Promise<Box> {
    const socket = createConnection({ path: keeper, allowHalfOpen: true });
    const box = new Box(socket);
    const timer = setTimeout(() => socket.destroy(new Error("no answer")), BUILD_MS);
    try {
      await box.#open(request);
      return box;
    } catch (fault) {
      await box.destroy();
      throw fault;
    } finally {
      clearTimeout(timer);
    }
  }

  async #open(request: BoxRequest): Promise<void> {
    try {
      await once(this.#socket, "connect");
    } catch (cause) {
      throw new SandboxFault("reach the keeper", 0, { cause });
    }
    this.#socket.write(encodeRequest(request));
    const frame = await this.next();
    if (frame.type !== FRAME.ready) throw new SandboxFault("wait for the box");
    this.isolation = layersOf(decodeNumbers(frame.payload)[0] ?? 0);
    // The box has refused by itself; a second look costs nothing.
    const missing = LAYERS.find((layer) => !this.isolation.includes(layer));
    if (missing !== undefined) throw new SandboxFault(`the layer ${missing} does not hold`);
  }

  /**
   * The next frame from the box.
   * @throws SandboxFault on a FAULT frame, and when the stream ends or the box was destroyed.
   */
  async next(): Promise<Frame> {
    for (;;) {
      // `destroy` drops pieces of the stream: what a program printed behind such a gap would be
      // taken for frames, and it could tell of an end that was not its own.
      if (this.#destroyed) throw new SandboxFault("the box was destroyed");
      const frame = this.#frames.shift();
      if (frame?.type === FRAME.fault) {
        const fault = decodeFault(frame.payload);
        throw new SandboxFault(fault.step, fault.errno);
      }
      if (frame !== undefined) return frame;
      const chunk = await this.#chunks.next().catch((cause: unknown) => {
        throw new SandboxFault("read from the box", 0, { cause });
      });
      if (this.#destroyed) continue;
      if (chunk.done === true) throw new SandboxFault("the box died");
      this.#frames = this.#parser.push(chunk.value);
    }
  }

  /**
   * Sends one frame whole: nothing can come between its header and its payload.
   * Resolves when there is room for more or the stream is closed; never rejects.
   */
  async send(type: number, payload: Uint8Array = new Uint8Array(0)): Promise<void> {
    if (!this.#socket.writable) return;
    this.#socket.cork();
    this.#socket.write(encodeHeader(type, payload.length));
    const hasRoom = this.#socket.write(payload);
    this.#socket.uncork();
    if (hasRoom) return;
    await Promise.race([new Promise((resolve) => this.#socket.once("drain", resolve)), this.#gone]);
  }

  /** Fills /work. What goes wrong inside is told by the box, on the reading side. */
  async sendInput(input: InputTree): Promise<void> {
    for (const path of input.directories) {
      await this.send(FRAME.directory, new TextEncoder().encode(path));
    }
    for (const file of input.files) {
      await this.send(FRAME.file, encodeFile(file));
      for (let at = 0; at < file.bytes.length; at += CHUNK_MOST) {
        await this.send(FRAME.data, file.bytes.subarray(at, at + CHUNK_MOST));
      }
    }
  }

  /** Destroys the box; resolves when it was waited for and is gone. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    // Only the writing side: the end of the other one is the keeper's word that it is gone.
    this.#socket.end();
    for (;;) {
      const chunk = await this.#chunks.next().catch(() => ({ done: true }));
      if (chunk.done === true) break;
    }
    this.#socket.destroy();
    await this.#gone;
  }
}
