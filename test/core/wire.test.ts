import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameParser } from "../../src/core/frameParser.ts";
import {
  decodeEntry,
  decodeExited,
  decodeFault,
  decodeNumbers,
  decodePrinted,
  encodeFetch,
  encodeFile,
  encodeHeader,
  encodeRequest,
  encodeStart,
  FRAME_MOST,
  type Frame,
  LAYERS,
  layersOf,
} from "../../src/core/wire.ts";

const frames = fc.array(
  fc.record(
    { type: fc.integer({ min: 0, max: 0xffffffff }), payload: fc.uint8Array({ maxLength: 300 }) },
    { noNullPrototype: true },
  ),
  { maxLength: 12 },
);

function join(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

function streamOf(list: readonly Frame[]): Uint8Array {
  return join(list.flatMap(({ type, payload }) => [encodeHeader(type, payload.length), payload]));
}

/** Copies: the parser's payloads are views of what it was given. */
function parse(parser: FrameParser, piece: Uint8Array): Frame[] {
  return parser.push(piece).map(({ type, payload }) => ({ type, payload: payload.slice() }));
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length];
  at.sort((one, other) => one - other);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

test("any split of the byte stream gives the same frames", () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 30 }), (list, places) => {
      const parser = new FrameParser();
      const parsed = cut(streamOf(list), places).flatMap((piece) => parse(parser, piece));
      assert.deepEqual(parsed, list);
    }),
  );
});

test("a stream that comes byte by byte gives its frames as soon as they are whole", () => {
  const list = [
    { type: 67, payload: new Uint8Array([1, 2, 3]) },
    { type: 66, payload: new Uint8Array(0) },
  ];
  const parser = new FrameParser();
  const counts = Array.from(streamOf(list), (byte) => parser.push(new Uint8Array([byte])).length);
  assert.deepEqual(counts, [...Array(10).fill(0), 1, ...Array(7).fill(0), 1]);
});

test("a cut stream gives only the frames that are whole", () => {
  fc.assert(
    fc.property(frames, fc.nat(), (list, place) => {
      const bytes = streamOf(list);
      const length = place % (bytes.length + 1);
      const parsed = parse(new FrameParser(), bytes.slice(0, length));
      assert.deepEqual(parsed, list.slice(0, parsed.length));
      assert.ok(streamOf(parsed).length <= length);
    }),
  );
});

test("the longest payload is taken, a length above it is refused before its bytes come", () => {
  const longest = { type: 71, payload: new Uint8Array(FRAME_MOST).fill(7) };
  assert.deepEqual(parse(new FrameParser(), streamOf([longest])), [longest]);
  for (const length of [FRAME_MOST + 1, 0x7fffffff, 0xffffffff]) {
    assert.throws(() => new FrameParser().push(encodeHeader(67, length)), /a frame of/);
    // Also behind good frames, and in pieces.
    const parser = new FrameParser();
    parser.push(streamOf([longest]));
    const header = encodeHeader(67, length);
    parser.push(header.subarray(0, 7));
    assert.throws(() => parser.push(header.subarray(7)), /a frame of/);
  }
});

test("the parser never keeps more than one unfinished frame's bytes", () => {
  const parser = new FrameParser();
  for (let time = 0; time < 100; time++) {
    assert.equal(parser.push(streamOf([{ type: 1, payload: new Uint8Array(9) }])).length, 1);
  }
  const big = streamOf([{ type: 2, payload: new Uint8Array(FRAME_MOST) }]);
  assert.equal(parser.push(big.subarray(0, 100)).length, 0);
  assert.equal(parser.push(big.subarray(100)).length, 1);
});

test("a box's request has the layout of native/frames.h", () => {
  const bytes = encodeRequest({
    slot: 1,
    environment: 2,
    workBytes: 2 ** 33,
    workInodes: 4,
    tmpBytes: 5,
    tmpInodes: 6,
    shmBytes: 7,
  });
  const view = new DataView(bytes.buffer);
  assert.equal(bytes.length, 56);
  // "SQR1" in little-endian.
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 4)), "SQR1");
  assert.deepEqual([view.getUint32(4, true), view.getUint32(8, true)], [1, 2]);
  const sizes = [16, 24, 32, 40, 48].map((at) => view.getBigUint64(at, true));
  assert.deepEqual(sizes, [2n ** 33n, 4n, 5n, 6n, 7n]);
});

test("a file's header carries mode, time, size and name", () => {
  const file = {
    path: "ü",
    executable: true,
    mtimeSeconds: 4_000_000_000,
    bytes: new Uint8Array(3),
  };
  const payload = encodeFile(file);
  const view = new DataView(payload.buffer);
  assert.deepEqual(
    [view.getUint32(0, true), view.getUint32(4, true), view.getBigUint64(8, true)],
    [1, 4_000_000_000, 3n],
  );
  assert.deepEqual([...payload.subarray(16)], [0xc3, 0xbc]);
});

test("a start carries every argument and variable, each with its own end", () => {
  const strings = fc.array(
    fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !text.includes("\0")),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(strings, (argv) => {
      const payload = encodeStart({
        mergeStreams: true,
        wallMs: 1000,
        printedBytes: 2,
        memoryBytes: 3,
        cpus: 1,
        argv,
        env: { NAME: "a=b\n" },
      });
      const view = new DataView(payload.buffer);
      assert.deepEqual([view.getUint32(28, true), view.getUint32(32, true)], [argv.length, 1]);
      const parts = new TextDecoder().decode(payload.subarray(40)).split("\0");
      const sent = argv.map((text) => new TextDecoder().decode(new TextEncoder().encode(text)));
      assert.deepEqual(parts, [...sent, "NAME=a=b\n", ""]);
    }),
  );
});

test("a fetch carries the name's bytes as the box listed them", () => {
  const payload = encodeFetch(new Uint8Array([0xff, 0x0a]), 2 ** 40);
  assert.equal(new DataView(payload.buffer).getBigUint64(0, true), 2n ** 40n);
  assert.deepEqual([...payload.subarray(8)], [0xff, 0x0a]);
});

test("an end is decoded: exit code, signal, cause and what was dropped", () => {
  const payload = new Uint8Array(32);
  const view = new DataView(payload.buffer);
  view.setUint32(0, 42 << 8, true);
  view.setUint32(4, 1, true);
  view.setBigUint64(8, 1500n, true);
  view.setBigUint64(16, 2n ** 40n, true);
  view.setBigUint64(24, 9n, true);
  assert.deepEqual(decodeExited(payload), {
    exitCode: 42,
    signal: 0,
    cause: "wall",
    wallMs: 1500,
    droppedStdout: 2 ** 40,
    droppedStderr: 9,
  });
  view.setUint32(0, 0x8b, true);
  view.setUint32(4, 77, true);
  // With a core flag, and a cause that is not in the table.
  assert.deepEqual([decodeExited(payload).signal, decodeExited(payload).cause], [11, "killed"]);
});

test("entries keep negative times and sizes beyond exact numbers apart from small ones", () => {
  const payload = new Uint8Array(26);
  const view = new DataView(payload.buffer);
  view.setUint32(0, 0o755, true);
  view.setUint32(4, 999_999_999, true);
  view.setBigInt64(8, -5n, true);
  view.setBigUint64(16, 2n ** 63n, true);
  payload.set([0x61, 0xff], 24);
  const entry = decodeEntry(payload);
  assert.deepEqual(
    [entry.mode, entry.mtimeNanoseconds, entry.mtimeSeconds, entry.sizeBytes, [...entry.path]],
    [0o755, 999_999_999, -5, 2 ** 63, [0x61, 0xff]],
  );
});

test("what is too short to be decoded throws and is never half a value", () => {
  for (const decode of [decodeExited, decodeEntry, decodeFault, decodePrinted]) {
    assert.throws(() => decode(new Uint8Array(3)), RangeError, decode.name);
  }
  assert.deepEqual(decodeNumbers(new Uint8Array(7)), [0]);
});

test("printed bytes are those that came: who overwrites them leaves no copy", () => {
  for (const payload of [
    new Uint8Array([2, 0, 0, 0, 104, 105]),
    Buffer.from([2, 0, 0, 0, 104, 105]),
  ]) {
    const { stream, bytes } = decodePrinted(payload);
    assert.deepEqual([stream, [...bytes]], ["stderr", [104, 105]]);
    bytes.fill(0);
    assert.deepEqual([...payload.subarray(4)], [0, 0]);
  }
});

test("layers are named in the order of their bits", () => {
  assert.deepEqual(layersOf(0), []);
  assert.deepEqual(layersOf(0b101), ["user", "mount"]);
  assert.deepEqual(layersOf(0xffffffff), [...LAYERS]);
  assert.equal(layersOf((1 << LAYERS.length) - 2).includes("user"), false);
});
