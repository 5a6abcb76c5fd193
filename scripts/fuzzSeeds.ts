/**
 * Writes what the fuzzers in native/fuzz/ begin with: one ordinary life for each target, put
 * together by the same encoders that the service uses. Run after a change of the protocol:
 *
 *   node scripts/fuzzSeeds.ts
 *
 * Beside frames the targets read single bytes that say how the faked system answers; in what order
 * is told by each target's fakes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  encodeFetch,
  encodeFile,
  encodeHeader,
  encodeRequest,
  encodeStart,
  FRAME,
} from "../src/core/wire.ts";
import { planText } from "../src/sandbox/warden.ts";

type Piece = readonly number[] | Uint8Array | string;

function join(...pieces: readonly Piece[]): Buffer {
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece as Uint8Array)));
}

function frame(type: number, payload: Piece = []): Buffer {
  const bytes = join(payload);
  return join(encodeHeader(type, bytes.length), bytes);
}

const START = encodeStart({
  mergeStreams: true,
  wallMs: 5000,
  printedBytes: 1000,
  memoryBytes: 2 ** 29,
  cpus: 2,
  argv: ["python3", "main.py", ""],
  env: { HOME: "/work", LANG: "C.UTF-8" },
});

const FILE = {
  path: "d/e/main.py",
  executable: true,
  mtimeSeconds: 1_700_000_000,
  bytes: Buffer.from("print(1)"),
};

const LIFE = join(
  frame(FRAME.directory, "d"),
  frame(FRAME.directory, "a/b/c"),
  frame(FRAME.file, encodeFile(FILE)),
  frame(FRAME.data, FILE.bytes.subarray(0, 3)),
  frame(FRAME.data, FILE.bytes.subarray(3)),
  frame(FRAME.start, START),
);

const PLAIN = {
  mergeStreams: false,
  wallMs: 5000,
  printedBytes: 1000,
  memoryBytes: 2 ** 29,
  cpus: 1,
};

/** A program that is started before its file has come. */
const HELD = join(
  frame(FRAME.hold, encodeStart({ ...PLAIN, argv: ["python3", "main.py"], env: { HOME: "/tmp" } })),
  frame(FRAME.file, encodeFile({ ...FILE, path: "main.py" })),
  frame(FRAME.data, FILE.bytes),
  frame(FRAME.start, encodeStart({ ...PLAIN, argv: [], env: {} })),
);

const REQUEST = encodeRequest({
  slot: 1,
  environment: 2,
  workBytes: 2 ** 28,
  workInodes: 20_000,
  tmpBytes: 2 ** 26,
  tmpInodes: 1000,
  shmBytes: 2 ** 26,
});

const PLAN = planText({
  slots: 4,
  cpus: 1.5,
  memoryBytes: 2 ** 32,
  sleeps: true,
  listen: { host: "::", port: 8443 },
  opens: [{ name: "cert", path: "/etc/cert.pem" }],
  trees: [
    { kind: "everywhere", path: "/opt/node" },
    { kind: "named", path: "/srv/env" },
  ],
});

/** Bits of the events of one turn, and how the clock moves. */
const STREAM = [1, 3];
const STATUS = [2, 3];
const CHILDREN = [4, 3];
const INPUT = [16, 3];
const PRINTED = [32, 3];
/** One piece of a frame comes whole. */
const COMES = [1, 0];

function relaySeed(...turns: readonly Piece[]): Buffer {
  const starts = join(STATUS, [1], STATUS, [7, 0xe8, 0x03, 0x10, 0x27], STATUS, [16]);
  const ends = join(CHILDREN, [1, 0, 1, 0, 0, 0], [0, 0], [255, 255]);
  return join([0], starts, ...turns, ends);
}

/** The remaining bytes are how the tree answers; requests come in steps of eight bytes. */
function collectorSeed(requests: Buffer, tree: Piece): Buffer {
  const padded = Buffer.alloc(Math.ceil(requests.length / 8) * 8);
  requests.copy(padded);
  return join([padded.length / 8], padded, tree);
}

const TREE = [0, 0, 1, 97, 98, 0, 2, 100, 105, 114, 1, 0, 0, 220, 0, 0, 0];

/** Accepted, checked and built; the single bytes let each call of the keeper succeed. */
const BUILDS = join(
  [2, 0, 0, 0, 0, 0, 0],
  REQUEST,
  new Uint8Array(5),
  [1, 1, 0],
  new Uint8Array(9),
);

const SEEDS: Readonly<Record<string, Readonly<Record<string, Buffer>>>> = {
  frames: {
    life: join(LIFE, new Uint8Array(LIFE.length)),
    pieces: join(LIFE, new Uint8Array(LIFE.length).fill(130)),
  },
  hand: { life: join([0], LIFE), pieces: join([3], LIFE), held: join([0], HELD) },
  relay: {
    prints: relaySeed(PRINTED, [50], [0, 0], PRINTED, [199], [0, 0]),
    reads: relaySeed(
      join(STREAM, COMES, encodeHeader(FRAME.stdin, 5)),
      join(STREAM, COMES, "hello", [0, 0], INPUT, [0, 0]),
      join(STREAM, COMES, encodeHeader(FRAME.stdinEnd, 0)),
    ),
    signal: relaySeed(
      join(STREAM, COMES, encodeHeader(FRAME.signal, 4), STREAM, COMES, [15, 0, 0, 0]),
    ),
    kill: relaySeed(join(STREAM, COMES, encodeHeader(FRAME.kill, 0))),
  },
  collector: {
    list: collectorSeed(frame(FRAME.list), TREE),
    fetch: collectorSeed(
      frame(FRAME.fetch, encodeFetch(Buffer.from("d/result.t"), 2 ** 20)),
      [0, 0, 100, 200, 0],
    ),
  },
  keeper: { request: join([1], REQUEST), box: BUILDS, boxes: join(BUILDS, [0, 1, 0], BUILDS) },
  plan: { tcp: join(PLAN), unix: join(PLAN.replace("tcp :: 8443", "unix /run/a socket")) },
};

for (const [target, seeds] of Object.entries(SEEDS)) {
  const directory = fileURLToPath(new URL(`../native/fuzz/seeds/${target}/`, import.meta.url));
  mkdirSync(directory, { recursive: true });
  for (const [name, bytes] of Object.entries(seeds)) writeFileSync(`${directory}${name}`, bytes);
}
