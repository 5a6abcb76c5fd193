import { FRAME_MOST, type Frame, HEADER_BYTES, viewOf } from "./wire.ts";

const NOTHING: Uint8Array = new Uint8Array(0);

/** Cuts a byte stream into frames; keeps at most one unfinished frame. */
export class FrameParser {
  #pending: Uint8Array = new Uint8Array(0);

  /**
   * The frames that are complete with `chunk`. Payloads are views of memory that the caller
   * hands over.
   * @throws Error when a length is over FRAME_MOST: the other side is not a box.
   */
  push(chunk: Uint8Array): Frame[] {
    const bytes = this.#join(chunk);
    const frames: Frame[] = [];
    const view = viewOf(bytes);
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = view.getUint32(at + 4, true);
      if (length > FRAME_MOST) throw new Error(`a frame of ${length} bytes`);
      const end = at + HEADER_BYTES + length;
      if (end > bytes.length) break;
      const from = bytes.byteOffset + at + HEADER_BYTES;
      // Also of a Buffer, whose own parts are slow to make.
      const payload = length === 0 ? NOTHING : new Uint8Array(bytes.buffer, from, length);
      frames.push({ type: view.getUint32(at, true), payload });
      at = end;
    }
    this.#pending = bytes.subarray(at);
    return frames;
  }

  #join(chunk: Uint8Array): Uint8Array {
    if (this.#pending.length === 0) return chunk;
    const bytes = new Uint8Array(this.#pending.length + chunk.length);
    bytes.set(this.#pending);
    bytes.set(chunk, this.#pending.length);
    return bytes;
  }
}
