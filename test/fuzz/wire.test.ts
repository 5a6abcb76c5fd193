/** What could come from the native side if it were broken or taken over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameParser } from "../../src/core/frameParser.ts";
import { SERVICE_LIMITS } from "../../src/core/limits.ts";
import {
  decodeEntry,
  decodeExited,
  decodeFault,
  decodeNumbers,
  decodePrinted,
  encodeHeader,
  FRAME_MOST,
  layersOf,
} from "../../src/core/wire.ts";
import { parseHandover } from "../../src/sandbox/handover.ts";
import { runs } from "./runs.ts";

const LENGTHS = [0, 1, 7, 8, 9, FRAME_MOST, FRAME_MOST + 1, 0x7fffffff, 0xffffffff] as const;
const header = fc
  .tuple(fc.nat(80), fc.oneof(fc.nat(40), fc.constantFrom(...LENGTHS)))
  .map(([type, length]) => encodeHeader(type, length));
const stream = fc
  .array(fc.oneof(header, fc.uint8Array({ maxLength: 60 })), { maxLength: 12 })
  .map((pieces) => Buffer.concat(pieces));

/** Reads frames the plain way, all bytes at hand. */
function readAll(bytes: Buffer): { frames: number; payload: number; broken: boolean } {
  let at = 0;
  let payload = 0;
  let frames = 0;
  while (bytes.length - at >= 8) {
    const length = bytes.readUInt32LE(at + 4);
    if (length > FRAME_MOST) return { frames, payload, broken: true };
    if (at + 8 + length > bytes.length) break;
    frames += 1;
    payload += length;
    at += 8 + length;
  }
  return { frames, payload, broken: false };
}

test("any stream in any pieces gives the frames that are in it, or ends at the first that is none", () => {
  fc.assert(
    fc.property(
      stream,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (bytes, cuts) => {
        const parser = new FrameParser();
        let frames = 0;
        let payload = 0;
        let at = 0;
        let broken = false;
        for (let turn = 0; at < bytes.length && !broken; turn++) {
          const end = at + (cuts[turn % cuts.length] ?? 1);
          try {
            for (const frame of parser.push(Uint8Array.from(bytes.subarray(at, end)))) {
              frames += 1;
              payload += frame.payload.length;
            }
          } catch (error) {
            assert.ok(error instanceof Error && /^a frame of \d+ bytes$/.test(error.message));
            broken = true;
          }
          at = end;
        }
        const whole = readAll(bytes);
        assert.equal(broken, whole.broken);
        // The piece with the broken header may have held good frames before it: they are lost with it.
        if (broken) assert.ok(frames <= whole.frames && payload <= whole.payload);
        else assert.deepEqual([frames, payload], [whole.frames, whole.payload]);
      },
    ),
    runs(500),
  );
});

test("any payload is decoded or is too short, and never half a value", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (payload) => {
      for (const decode of [decodeExited, decodeEntry, decodeFault, decodePrinted]) {
        try {
          for (const value of Object.values(decode(payload))) assert.notEqual(value, undefined);
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
        }
      }
      for (const number of decodeNumbers(payload)) assert.ok(layersOf(number).length <= 17);
    }),
    runs(500),
  );
});

const GOOD =
  "keeper /run/k\nslots 4\ncgroup 2\nmemory /m\npids /p\ncpu /c\ncpuacct /a\nfd listen 3\ntree root\nend\n";

test("any handover is refused by what it lacks, or its numbers are usable", () => {
  const lines = fc.shuffledSubarray(GOOD.trim().split("\n"), { minLength: 7 });
  const noise = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc
      .tuple(
        fc.constantFrom("slots", "cgroup", "fd", "fd x", "tree", "keeper"),
        fc.oneof(fc.string({ maxLength: 8 }), fc.nat(5000).map(String)),
      )
      .map(([name, value]) => `${name} ${value}`),
  );
  const text = fc
    .tuple(lines, fc.array(noise, { maxLength: 3 }))
    .map(([some, more]) => [...some, ...more].join("\n"));
  fc.assert(
    fc.property(text, (handed) => {
      try {
        const { slots, cgroups, descriptors } = parseHandover(handed);
        assert.ok(Number.isInteger(slots) && slots >= 1 && slots <= SERVICE_LIMITS.slotsMost);
        assert.ok(cgroups.version === 1 || cgroups.version === 2);
        for (const fd of descriptors.values())
          assert.ok(Number.isInteger(fd) && fd >= 3 && fd < 1024);
      } catch (error) {
        assert.ok(
          error instanceof Error && error.message.startsWith("the warden's handover"),
          String(error),
        );
      }
    }),
    runs(500),
  );
});
