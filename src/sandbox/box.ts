/**
 * One box as a stream: frames out, frames in; closing it destroys the box. The end of the
 * stream means that the keeper waited for the box and nothing of it is left.
 */
import { createConnection, type Socket } from "node:net";
import { SandboxFault } from "../core/errors.ts";
import { FrameParser } from "../core/frameParser.ts";
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
  joinFrames,
  LAYERS,
  layersOf,
} from "../core/wire.ts";

/** How long the keeper and the box's own checks may take, on a machine that is very busy. */
const BUILD_MS = 60_000;

/** Files of a job that is sent at once. */
const FEW_FILES = 32;
/** Bytes from the box that are held here until somebody asks; then it must wait. */
const HELD_MOST = 128 * 1024;
/** Bytes that are read at once. */
const READ_MOST = 64 * 1024;

const NOTHING: Uint8Array = new Uint8Array(0);

export class Box {
  readonly #socket: Socket;
  readonly #parser = new FrameParser();
  /** Resolves when nothing of it is left, whoever ended it. */
  readonly gone: Promise<void>;
  #frames: Frame[] = [];
  #heldBytes = 0;
  #isPaused = false;
  #wake: (() => void) | undefined;
  #fault: SandboxFault | undefined;
  #hasEnded = false;
  #destroyed = false;
  isolation: readonly string[] = [];
  /** Its program was started and waits. */
  readonly holds: boolean;

  private constructor(keeper: string, holds: boolean, scratch: Buffer) {
    this.holds = holds;
    const callback = (length: number) => this.#take(scratch, length);
    const onread = { buffer: scratch, callback };
    const socket = createConnection({ path: keeper, allowHalfOpen: true, onread });
    this.#socket = socket;
    // The keeper closes its side only when it has waited for the box.
    socket.once("end", () => socket.destroy());
    socket.on("error", (cause: NodeJS.ErrnoException) => {
      const step = cause.syscall === "connect" ? "reach the keeper" : "read from the box";
      this.#endWith(new SandboxFault(step, 0, { cause }));
    });
    this.gone = new Promise((resolve) => {
      socket.once("close", () => {
        this.#hasEnded = true;
        this.#wake?.();
        resolve();
      });
    });
  }

  /**
   * A reading of its own would be as large as any for every few bytes that a box says: the bytes
   * are copied out of the one place, and overwritten there.
   * @returns whether more may come now
   */
  #take(scratch: Buffer, length: number): boolean {
    const chunk = Buffer.allocUnsafeSlow(length);
    scratch.copy(chunk, 0, 0, length);
    scratch.fill(0, 0, length);
    if (this.#destroyed) return true;
    try {
      for (const frame of this.#parser.push(chunk)) this.#frames.push(frame);
    } catch (cause) {
      this.#endWith(new SandboxFault("read from the box", 0, { cause }));
      return true;
    }
    this.#heldBytes += chunk.length;
    this.#isPaused = this.#heldBytes > HELD_MOST;
    this.#wake?.();
    return !this.#isPaused;
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  #endWith(fault: SandboxFault): void {
    this.#fault ??= fault;
    this.#wake?.();
  }

  /** Where boxes may be read, one at a time: for as many as share it. */
  static makeScratch(): Buffer {
    return Buffer.alloc(READ_MOST);
  }

  /**
   * Asks the keeper for a box and waits until every layer of it holds, and until a program is
   * held in it when there is a payload of HOLD. When it rejects, nothing of the box is left, so
   * that its slot can be leased again.
   * @throws SandboxFault with the step that failed.
   */
  static async build(
    keeper: string,
    request: BoxRequest,
    hold?: Uint8Array,
    scratch: Buffer = Box.makeScratch(),
  ): Promise<Box> {
    const box = new Box(keeper, hold !== undefined, scratch);
    const timer = setTimeout(() => {
      box.#endWith(new SandboxFault("wait for the box"));
      box.#socket.destroy();
    }, BUILD_MS);
    try {
      await box.#open(request, hold);
      return box;
    } catch (fault) {
      await box.destroy();
      throw fault;
    } finally {
      clearTimeout(timer);
    }
  }

  async #open(request: BoxRequest, hold: Uint8Array | undefined): Promise<void> {
    const asked = encodeRequest(request);
    const frames = hold === undefined ? [] : [{ type: FRAME.hold, payload: hold }];
    this.#socket.write(Buffer.concat([asked, joinFrames(frames)]));
    const frame = await this.next();
    if (frame.type !== FRAME.ready) throw new SandboxFault("wait for the box");
    this.isolation = layersOf(decodeNumbers(frame.payload)[0] ?? 0);
    // The box has refused by itself; a second look costs nothing.
    if (this.isolation.length < LAYERS.length) {
      const missing = LAYERS.find((layer) => !this.isolation.includes(layer));
      throw new SandboxFault(`the layer ${missing} does not hold`);
    }
    if (hold === undefined) return;
    if ((await this.next()).type !== FRAME.held) throw new SandboxFault("hold a program");
  }

  /**
   * The next frame, if it has come: most come together, and waiting for each costs more than it does.
   * @throws SandboxFault on a FAULT frame, and when the box was destroyed.
   */
  held(): Frame | undefined {
    // What `destroy` drops leaves a gap: what a program printed behind it would be taken for
    // frames, and it could tell of an end that was not its own.
    if (this.#destroyed) throw new SandboxFault("the box was destroyed");
    const frame = this.#frames.shift();
    if (frame?.type !== FRAME.fault) return frame;
    const fault = decodeFault(frame.payload);
    throw new SandboxFault(fault.step, fault.errno);
  }

  /**
   * The next frame from the box.
   * @throws SandboxFault as `held` does, and when the stream ends.
   */
  async next(): Promise<Frame> {
    for (;;) {
      const frame = this.held();
      if (frame !== undefined) return frame;
      if (this.#fault !== undefined) throw this.#fault;
      if (this.#hasEnded) throw new SandboxFault("the box died");
      this.#heldBytes = 0;
      this.#resume();
      const woken = Promise.withResolvers<void>();
      this.#wake = woken.resolve;
      await woken.promise;
      this.#wake = undefined;
    }
  }

  /**
   * Sends one frame whole: nothing can come between its header and its payload.
   * Resolves when there is room for more or the stream is closed; never rejects.
   */
  async send(type: number, payload = NOTHING): Promise<void> {
    if (!this.#socket.writable) return;
    this.#socket.cork();
    this.#socket.write(encodeHeader(type, payload.length));
    const hasRoom = this.#socket.write(payload);
    this.#socket.uncork();
    if (hasRoom) return;
    await Promise.race([new Promise((resolve) => this.#socket.once("drain", resolve)), this.gone]);
  }

  /** As `send`, for bytes that are ours to overwrite: resolves when they were. */
  async hand(type: number, payload: Uint8Array): Promise<void> {
    if (this.#socket.writable) {
      const written = Promise.withResolvers<void>();
      this.#socket.cork();
      this.#socket.write(encodeHeader(type, payload.length));
      this.#socket.write(payload, () => written.resolve());
      this.#socket.uncork();
      await Promise.race([written.promise, this.gone]);
    }
    payload.fill(0);
  }

  /**
   * Fills /work, starts the program and asks for the list of its files, which is told when it has
   * ended. What goes wrong inside is told by the box, on the reading
   * side.
   * @param start the payload of START
   * @param hasInput false: the program reads the end of its standard input at once
   */
  async sendJob(input: InputTree, start: Uint8Array, hasInput = true): Promise<void> {
    const bytes = input.files.reduce((sum, file) => sum + file.bytes.length, 0);
    const last: Frame[] = [
      { type: FRAME.start, payload: start },
      { type: FRAME.list, payload: NOTHING },
    ];
    if (!hasInput) last.push({ type: FRAME.stdinEnd, payload: NOTHING });
    if (bytes <= CHUNK_MOST && input.files.length <= FEW_FILES) this.#sendAtOnce(input, last);
    else {
      await this.#sendInput(input);
      for (const { type, payload } of last) await this.send(type, payload);
    }
  }

  /** Small jobs, which are most: one call of the system for all of it. */
  #sendAtOnce(input: InputTree, last: readonly Frame[]): void {
    const frames: Frame[] = [];
    const add = (type: number, payload: Uint8Array) => frames.push({ type, payload });
    for (const path of input.directories) add(FRAME.directory, new TextEncoder().encode(path));
    for (const file of input.files) {
      add(FRAME.file, encodeFile(file));
      if (file.bytes.length > 0) add(FRAME.data, file.bytes);
    }
    const whole = joinFrames([...frames, ...last]);
    // A copy of job data: overwritten as soon as it is out.
    if (this.#socket.writable) this.#socket.write(whole, () => whole.fill(0));
  }

  async #sendInput(input: InputTree): Promise<void> {
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
    this.#frames = [];
    this.#wake?.();
    // Only the writing side: the end of the other one is the keeper's word that it is gone.
    this.#socket.end();
    this.#resume();
    await this.gone;
  }
}
