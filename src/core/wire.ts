/**
 * The frames between this side, the keeper and a box; the table stands in native/frames.h.
 * A frame is type (u32), length (u32), payload; all numbers little-endian.
 */

import type { InputFile } from "./job.ts";

export const FRAME = {
  directory: 1,
  file: 2,
  data: 3,
  start: 4,
  stdin: 5,
  stdinEnd: 6,
  signal: 7,
  kill: 8,
  list: 9,
  fetch: 10,
  hold: 11,
  resize: 12,
  ready: 65,
  started: 66,
  printed: 67,
  exited: 68,
  entry: 69,
  listed: 70,
  content: 71,
  contentEnd: 72,
  fault: 73,
  stdinCredit: 74,
  held: 75,
  ending: 76,
} as const;

/** Payload bytes of any frame, at most. */
export const FRAME_MOST = 128 * 1024;
/** Payload bytes of one piece of a file or of stdin. */
export const CHUNK_MOST = 64 * 1024;
export const HEADER_BYTES = 8;
const REQUEST_MAGIC = 0x31525153;
const TEMPLATE_MAGIC = 0x31545153;
/** Templates that a keeper has at once. */
export const TEMPLATES_MOST = 4;

/** The layers in the order of their bits in READY (enum layer in native/frames.h). */
export const LAYERS = [
  "user",
  "pid",
  "mount",
  "network",
  "ipc",
  "uts",
  "cgroup",
  "time",
  "root",
  "tmpfs",
  "proc",
  "uid",
  "capabilities",
  "no_new_privs",
  "seccomp",
  "rlimits",
  "limits",
] as const;

const ALL_LAYERS = 2 ** LAYERS.length - 1;

export interface Frame {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** Why the box ended the job (enum end_cause). */
export type EndCause = "itself" | "wall" | "killed" | "oom";
const END_CAUSES: readonly EndCause[] = ["itself", "wall", "killed", "oom"];

export interface Exited {
  readonly exitCode: number;
  /** 0 when the program ended by itself. */
  readonly signal: number;
  readonly cause: EndCause;
  readonly wallMs: number;
  readonly droppedStdout: number;
  readonly droppedStderr: number;
}

/** A file below /work as the box lists it; the path is bytes that a job chose. */
export interface Entry {
  readonly path: Uint8Array;
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly sizeBytes: number;
}

export interface BoxRequest {
  readonly slot: number;
  /** Index of a tree of the warden's plan + 1, 0 = none. */
  readonly environment: number;
  readonly workBytes: number;
  readonly workInodes: number;
  readonly tmpBytes: number;
  readonly tmpInodes: number;
  readonly shmBytes: number;
  /** Number of the template that the box is forked from. */
  readonly warmFrom?: number | undefined;
}

export interface StartRequest {
  readonly mergeStreams: boolean;
  /** A terminal in place of pipes. */
  readonly terminal?: boolean;
  readonly wallMs: number;
  readonly printedBytes: number;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Numbers here are far below 2^53, and those of the wire's kind are slow. */
function setUint64(view: DataView, at: number, number: number): void {
  view.setUint32(at, number % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(number / 2 ** 32), true);
}

/** Not exact beyond 2^53. */
function getUint64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

/** A frame's header; the payload is sent behind it without a copy. */
export function encodeHeader(type: number, length: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  return bytes;
}

/** Whole frames, one after the other: a copy. */
export function joinFrames(frames: readonly Frame[]): Uint8Array {
  const length = frames.reduce((sum, { payload }) => sum + HEADER_BYTES + payload.length, 0);
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  let at = 0;
  for (const { type, payload } of frames) {
    view.setUint32(at, type, true);
    view.setUint32(at + 4, payload.length, true);
    bytes.set(payload, at + HEADER_BYTES);
    at += HEADER_BYTES + payload.length;
  }
  return bytes;
}

export function encodeRequest(request: BoxRequest): Uint8Array {
  const bytes = new Uint8Array(56);
  const view = viewOf(bytes);
  view.setUint32(0, REQUEST_MAGIC, true);
  view.setUint32(4, request.slot, true);
  view.setUint32(8, request.environment, true);
  view.setUint32(12, request.warmFrom === undefined ? 0 : request.warmFrom + 1, true);
  const sizes = [
    request.workBytes,
    request.workInodes,
    request.tmpBytes,
    request.tmpInodes,
    request.shmBytes,
  ];
  sizes.forEach((size, index) => {
    setUint64(view, 16 + 8 * index, size);
  });
  return bytes;
}

/** Asks for a template; its HOLD follows. */
export function encodeTemplateRequest(number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, TEMPLATE_MAGIC, true);
  viewOf(bytes).setUint32(4, number, true);
  return bytes;
}

/** The payload of FILE; its bytes follow as DATA. */
export function encodeFile(file: InputFile): Uint8Array {
  const name = new TextEncoder().encode(file.path);
  const payload = new Uint8Array(16 + name.length);
  const view = viewOf(payload);
  view.setUint32(0, file.executable ? 1 : 0, true);
  view.setUint32(4, file.mtimeSeconds, true);
  setUint64(view, 8, file.bytes.length);
  payload.set(name, 16);
  return payload;
}

export function encodeStart(start: StartRequest): Uint8Array {
  const variables = Object.entries(start.env).map(([name, value]) => `${name}=${value}`);
  const strings = encodeStrings([...start.argv, ...variables]);
  const payload = new Uint8Array(40 + strings.length);
  const view = viewOf(payload);
  view.setUint32(0, (start.mergeStreams ? 1 : 0) | (start.terminal === true ? 2 : 0), true);
  view.setUint32(4, start.wallMs, true);
  setUint64(view, 8, start.printedBytes);
  setUint64(view, 16, start.memoryBytes);
  view.setUint32(24, start.cpus, true);
  view.setUint32(28, start.argv.length, true);
  view.setUint32(32, variables.length, true);
  payload.set(strings, 40);
  return payload;
}

function encodeStrings(texts: readonly string[]): Uint8Array {
  if (texts.length === 0) return new Uint8Array(0);
  return new TextEncoder().encode(`${texts.join("\0")}\0`);
}

export function encodeFetch(path: Uint8Array, mostBytes: number): Uint8Array {
  const payload = new Uint8Array(8 + path.length);
  setUint64(viewOf(payload), 0, mostBytes);
  payload.set(path, 8);
  return payload;
}

export function decodeExited(payload: Uint8Array): Exited {
  const view = viewOf(payload);
  const status = view.getUint32(0, true);
  return {
    exitCode: (status >> 8) & 0xff,
    signal: status & 0x7f,
    cause: END_CAUSES[view.getUint32(4, true)] ?? "killed",
    wallMs: getUint64(view, 8),
    droppedStdout: getUint64(view, 16),
    droppedStderr: getUint64(view, 24),
  };
}

export function decodeEntry(payload: Uint8Array): Entry {
  const view = viewOf(payload);
  return {
    mode: view.getUint32(0, true),
    mtimeNanoseconds: view.getUint32(4, true),
    mtimeSeconds: Number(view.getBigInt64(8, true)),
    // A sparse file can claim more than a number holds exactly; the ceilings are far below.
    sizeBytes: getUint64(view, 16),
    path: payload.slice(24),
  };
}

/** The payload of SIGNAL and RESIZE: numbers, one after the other. */
export function encodeNumbers(...numbers: readonly number[]): Uint8Array {
  const payload = new Uint8Array(4 * numbers.length);
  const view = viewOf(payload);
  numbers.forEach((number, index) => {
    view.setUint32(4 * index, number, true);
  });
  return payload;
}

/** Numbers of the small frames: READY, LISTED, CONTENT_END, STDIN_CREDIT. */
export function decodeNumbers(payload: Uint8Array): readonly number[] {
  const view = viewOf(payload);
  const numbers: number[] = [];
  for (let at = 0; at + 4 <= payload.length; at += 4) numbers.push(view.getUint32(at, true));
  return numbers;
}

export function decodeFault(payload: Uint8Array): {
  readonly errno: number;
  readonly step: string;
} {
  return {
    errno: viewOf(payload).getInt32(0, true),
    step: new TextDecoder().decode(payload.subarray(4)),
  };
}

export function decodePrinted(payload: Uint8Array): {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Uint8Array;
} {
  const stream = viewOf(payload).getUint32(0, true) === 2 ? "stderr" : "stdout";
  // The same memory, so that whoever overwrites it overwrites what came from the box.
  return { stream, bytes: payload.subarray(4) };
}

/** Which layers READY reports, by name. */
export function layersOf(bits: number): readonly string[] {
  if (bits === ALL_LAYERS) return LAYERS;
  return LAYERS.filter((_, index) => (bits & (1 << index)) !== 0);
}
