/**
 * What a live stream says, one JSON object each, the same over WebSocket and SSE.
 *
 * `seq` is the number of printed bytes up to and with this frame, so a reader that was cut off asks
 * for what comes after the last one that it has and misses or repeats nothing. The end's is one
 * more than the log has: who has it has all. Notices have none, since a later look tells them anew.
 */
import { isUtf8 } from "node:buffer";
import { REFUSALS, type Refusal } from "../core/errors.ts";
import type { PrintedChunk } from "../core/job.ts";
import type { Job } from "../engine.ts";
import { outcomeAnswer } from "./answers.ts";
import type { StreamFrame } from "./schemas.ts";

/**
 * How many of the bytes are whole characters: all, but for an incomplete one at the end. What is
 * no UTF-8 anyway counts as whole.
 */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const wanted = byte >= 0xf5 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
    return wanted > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** @param seq after these bytes */
export function printedFrame(seq: number, { stream, bytes }: PrintedChunk): StreamFrame {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return isUtf8(bytes)
    ? { seq, stream, data: text.toString("utf8") }
    : { seq, stream, data: text.toString("base64"), encoding: "base64" };
}

/** The number that only the end has. */
export function endSeq(job: Job): number {
  return job.log.lengthBytes + 1;
}

export function endFrame(job: Job, end: NonNullable<Job["end"]>): StreamFrame {
  return {
    seq: endSeq(job),
    end: outcomeAnswer(end.outcome),
    stdout_truncated: job.log.truncated("stdout"),
    stderr_truncated: job.log.truncated("stderr"),
  };
}

export function errorFrame({ code, details }: Refusal): StreamFrame {
  const error = REFUSALS[code].sentence;
  return { error, code, ...(details === undefined ? {} : { details }) };
}
