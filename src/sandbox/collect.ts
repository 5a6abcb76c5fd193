/**
 * The output files of an ended job: listed and read by the collector inside the box, chosen and
 * bounded here. Names, sizes and counts come from the job and are hostile.
 *
 * Keeps S13 and S23 of SECURITY.md.
 */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { SandboxFault } from "../core/errors.ts";
import { compileGlobs } from "../core/globs.ts";
import type { InputTree, OutputFile } from "../core/job.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";
import { checkPath } from "../core/paths.ts";
import type { Outputs } from "../core/runner.ts";
import { decodeEntry, decodeNumbers, type Entry, encodeFetch, FRAME } from "../core/wire.ts";
import type { Box } from "./box.ts";

/** The outputs are more than a job may give back: its outcome is `output_limit`. */
export class OutputLimit extends Error {}

interface Found {
  readonly path: string;
  readonly entry: Entry;
}

const PATH_DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Undefined for a name that no archive and no URL could carry: such a file is no output. */
function usablePath(bytes: Uint8Array): string | undefined {
  try {
    const path = PATH_DECODER.decode(bytes);
    return checkPath(path) === path ? path : undefined;
  } catch {
    return undefined;
  }
}

/** What trying a pattern costs before its first step. */
const PATTERN_STEPS = 8;
/** Others get their turn after so many paths. */
const CHOOSING_TURN = 32;

async function list(box: Box, isOutput: Chooser): Promise<Found[]> {
  const found: Found[] = [];
  let seen = 0;
  // The job's start has asked for it.
  for (;;) {
    const frame = box.held() ?? (await box.next());
    if (frame.type === FRAME.listed) {
      // More than the box lists is more than a job may return.
      if (decodeNumbers(frame.payload)[1] !== 0) throw new OutputLimit();
      return found;
    }
    if (frame.type !== FRAME.entry) throw new SandboxFault("list the outputs");
    const entry = decodeEntry(frame.payload);
    const path = usablePath(entry.path);
    if (path === undefined) continue;
    if (isOutput({ path, entry })) found.push({ path, entry });
    if (++seen % CHOOSING_TURN === 0) await setImmediate();
  }
}

/** What choosing has taken: Node's own time, which is as much on the caller's bill as a box's. */
export interface Choosing {
  steps: number;
}

/** CPU time of a step, as measured on a machine that is not quick. */
const STEP_MS = 1e-5;

export function choosingMs({ steps }: Choosing): number {
  return steps * STEP_MS;
}

/** Chooses the outputs among the files that a job left. @throws OutputLimit when it is too much work */
export type Chooser = (file: Found) => boolean;

/**
 * By the manifest's globs, or else every file that the job made or changed: inputs got a time
 * with no fraction of a second. Made before the job starts, since the input is overwritten then.
 */
export function chooserFor(
  input: InputTree,
  globs: readonly string[] | undefined,
  choosing: Choosing,
  stepsMost: number = TRANSFER_LIMITS.choosingSteps,
): Chooser {
  if (globs !== undefined) {
    const matches = compileGlobs(globs, (taken) => {
      choosing.steps += PATTERN_STEPS + taken;
    });
    return ({ path }) => {
      choosing.steps += path.length;
      const isMatch = matches(path);
      if (choosing.steps > stepsMost) throw new OutputLimit();
      return isMatch;
    };
  }
  const before = new Map(
    input.files.map(({ path, mtimeSeconds, bytes }) => [
      path,
      { mtimeSeconds, sizeBytes: bytes.length },
    ]),
  );
  return ({ path, entry }) => {
    const file = before.get(path);
    if (file === undefined) return true;
    const sameTime = entry.mtimeSeconds === file.mtimeSeconds && entry.mtimeNanoseconds === 0;
    return !sameTime || entry.sizeBytes !== file.sizeBytes;
  };
}

async function* fetchContent(box: Box, entry: Entry): AsyncGenerator<Uint8Array> {
  let left = entry.sizeBytes;
  let ended = false;
  await box.send(FRAME.fetch, encodeFetch(entry.path, entry.sizeBytes));
  try {
    for (;;) {
      const frame = await box.next();
      if (frame.type === FRAME.contentEnd) {
        ended = true;
        const errno = decodeNumbers(frame.payload)[0] ?? 0;
        if (errno !== 0 || left !== 0) throw new SandboxFault("read an output", errno);
        return;
      }
      if (frame.type !== FRAME.content) throw new SandboxFault("read an output");
      left -= frame.payload.length;
      yield frame.payload;
    }
  } finally {
    // Frames of a reading that was given up would be taken for the next one's.
    if (!ended) await skipRest(box);
  }
}

async function skipRest(box: Box): Promise<void> {
  for (;;) {
    const frame = await box.next().catch(() => undefined);
    if (frame === undefined || frame.type === FRAME.contentEnd) return;
  }
}

/** Reads one file; keeps its bytes when asked to. */
async function take(box: Box, { path, entry }: Found, keep: boolean) {
  const hash = createHash("sha256");
  const kept: Uint8Array[] = [];
  for await (const piece of fetchContent(box, entry)) {
    hash.update(piece);
    // A copy: `slice` of a Buffer, which this is, would be the same memory.
    if (keep) kept.push(Uint8Array.from(piece));
    piece.fill(0);
  }
  const file: OutputFile = {
    path,
    sizeBytes: entry.sizeBytes,
    executable: (entry.mode & 0o100) !== 0,
    mtimeSeconds: entry.mtimeSeconds,
    sha256: hash.digest("hex"),
  };
  return { file, kept };
}

export const NO_OUTPUTS: Outputs = {
  files: [],
  holdsBox: false,
  totalBytes: 0,
  read: async function* () {
    // There is no file to read.
  },
  destroy: () => Promise.resolve(),
};

/** Outputs whose bytes are in our memory. */
function shelved(
  contents: Map<OutputFile, Uint8Array[]>,
  totalBytes: number,
  release: () => Promise<void>,
): Outputs {
  const files = [...contents.keys()];
  return {
    files,
    totalBytes,
    holdsBox: false,
    read: async function* (file) {
      for (const piece of contents.get(file) ?? []) yield Uint8Array.from(piece);
    },
    destroy: () => {
      for (const pieces of contents.values()) for (const piece of pieces) piece.fill(0);
      contents.clear();
      return release();
    },
  };
}

/** Outputs that stay in their box, read from it on demand, one file at a time. */
function held(
  box: Box,
  entries: Map<OutputFile, Entry>,
  totalBytes: number,
  release: () => Promise<void>,
): Outputs {
  let turn = Promise.resolve();
  let released: Promise<void> | undefined;
  return {
    files: [...entries.keys()],
    totalBytes,
    holdsBox: true,
    read: async function* (file) {
      const entry = entries.get(file);
      if (entry === undefined || released !== undefined) throw new SandboxFault("the box is gone");
      const before = turn;
      const mine = Promise.withResolvers<void>();
      turn = mine.promise;
      await before;
      try {
        yield* copies(fetchContent(box, entry));
      } finally {
        mine.resolve();
      }
    },
    destroy: () => {
      released ??= release();
      return released;
    },
  };
}

async function* copies(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    const copy = Uint8Array.from(piece);
    piece.fill(0);
    yield copy;
  }
}

/**
 * Chooses and reads the outputs of a job whose processes are all dead.
 * Up to the shelf's size they are taken into memory and the box is being released; larger ones keep
 * it until they are destroyed.
 * @param release may be called again, and resolves when the box is gone
 * @throws OutputLimit when there is more than a job may give back.
 */
export async function collect(
  box: Box,
  isOutput: Chooser,
  release: () => Promise<void>,
): Promise<Outputs> {
  const found = await list(box, isOutput);
  const totalBytes = found.reduce((sum, { entry }) => sum + entry.sizeBytes, 0);
  if (totalBytes > TRANSFER_LIMITS.outputBytes) throw new OutputLimit();
  if (found.length > TRANSFER_LIMITS.outputFiles) throw new OutputLimit();
  found.sort((one, other) => (one.path < other.path ? -1 : 1));
  const keep = totalBytes <= TRANSFER_LIMITS.shelfBytes;
  const contents = new Map<OutputFile, Uint8Array[]>();
  const entries = new Map<OutputFile, Entry>();
  for (const one of found) {
    const { file, kept } = await take(box, one, keep);
    contents.set(file, kept);
    entries.set(file, one.entry);
  }
  if (!keep) return held(box, entries, totalBytes, release);
  void release();
  return shelved(contents, totalBytes, release);
}
