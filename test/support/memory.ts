/**
 * Looks for bytes in the whole memory of other processes, and in file systems. This process holds
 * what it looks for as well, so it never looks at itself.
 */
import {
  closeSync,
  type Dirent,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";

const CHUNK_BYTES = 4 << 20;
const FILE_MOST_BYTES = 64 << 20;
const RESERVE_BYTES = 256 << 20;
const PART_BYTES = 1 << 20;
const PAGE_BYTES = 4096;
const ENTRY_BYTES = 8;

interface Mapping {
  readonly start: number;
  readonly end: number;
}

/** Empty when the process is gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}

/** What can be read; the pages of devices cannot, and [vvar] and [vsyscall] hold nothing. */
function mappingsOf(pid: number): Mapping[] {
  const lines = textOf(`/proc/${pid}/maps`).trim().split("\n");
  return lines.flatMap((line) => {
    const found = /^([0-9a-f]+)-([0-9a-f]+) (r?)\S* \S+ \S+ \S+ *(.*)$/.exec(line);
    if (found === null || found[3] === "" || /^\[v(var|syscall)/.test(found[4] ?? "")) return [];
    const start = Number.parseInt(found[1] ?? "", 16);
    const end = Number.parseInt(found[2] ?? "", 16);
    const isReserve = found[4] === "" && end - start >= RESERVE_BYTES;
    return isReserve ? presentParts(pid, { start, end }) : [{ start, end }];
  });
}

/** Of memory that was reserved in bulk: what was ever touched, in pieces of many pages. */
function presentParts(pid: number, { start, end }: Mapping): Mapping[] {
  const entries = Buffer.alloc(ENTRY_BYTES * ((end - start) / PAGE_BYTES));
  const pagemap = openSync(`/proc/${pid}/pagemap`, "r");
  try {
    for (let done = 0; done < entries.length; ) {
      const place = ENTRY_BYTES * (start / PAGE_BYTES) + done;
      const got = readSync(pagemap, entries, done, entries.length - done, place);
      if (got === 0) throw new Error("the map of pages ends too early");
      done += got;
    }
  } finally {
    closeSync(pagemap);
  }
  const parts: Mapping[] = [];
  for (let at = start; at < end; at += PART_BYTES) {
    const first = (ENTRY_BYTES * (at - start)) / PAGE_BYTES;
    const here = entries.subarray(first, first + (ENTRY_BYTES * PART_BYTES) / PAGE_BYTES);
    // The highest bits of an entry: it is in RAM, or in swap.
    const isPresent = here.some((byte, index) => index % ENTRY_BYTES === 7 && (byte & 0xc0) !== 0);
    const last = parts.at(-1);
    const until = Math.min(end, at + PART_BYTES);
    if (isPresent && last?.end === at) parts[parts.length - 1] = { ...last, end: until };
    else if (isPresent) parts.push({ start: at, end: until });
  }
  return parts;
}

/** A page that was given back in between cannot be read, and holds nothing. */
function readAt(memory: number, buffer: Buffer, length: number, position: number): number {
  try {
    return readSync(memory, buffer, 0, length, position);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EIO") return 0;
    throw error;
  }
}

function countIn(bytes: Buffer, wanted: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(wanted); at !== -1; at = bytes.indexOf(wanted, at + 1)) count += 1;
  return count;
}

/** How often it stands in the memory of a process: heap, stacks, files and all. One that is gone has none. */
export function countInMemory(pid: number, wanted: Buffer): number {
  let memory: number;
  try {
    memory = openSync(`/proc/${pid}/mem`, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
    throw error;
  }
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let count = 0;
  try {
    for (const { start, end } of mappingsOf(pid)) {
      const step = CHUNK_BYTES - wanted.length;
      for (let at = start; at < end; at += step) {
        const length = Math.min(CHUNK_BYTES, end - at);
        const got = readAt(memory, buffer, length, at);
        count += countIn(buffer.subarray(0, got), wanted);
        // A match that reaches into the overlap is found once more at its beginning.
        if (got === CHUNK_BYTES && countIn(buffer.subarray(step), wanted) > 0) count -= 1;
      }
    }
  } finally {
    closeSync(memory);
  }
  return count;
}

/** Of a file that was changed since then; older ones cannot hold what did not exist. */
function changedContent(path: string, sinceMs: number): Buffer {
  try {
    const { ctimeMs, size } = statSync(path);
    return ctimeMs < sinceMs || size > FILE_MOST_BYTES ? Buffer.alloc(0) : readFileSync(path);
  } catch {
    // Gone again, or nothing that has a content.
    return Buffer.alloc(0);
  }
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    // Gone again.
    return [];
  }
}

/** Of the file system that it lies in; undefined when it is gone or not for us to see. */
function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).dev;
  } catch {
    return undefined;
  }
}

/**
 * Paths below a directory that have one of them in their name or content. Links are not followed,
 * and what is mounted below is another place.
 */
export function filesWith(
  directory: string,
  wanted: readonly Buffer[],
  sinceMs: number,
): readonly string[] {
  const device = deviceOf(directory);
  const isIn = (bytes: Buffer) => wanted.some((each) => bytes.includes(each));
  return entriesOf(directory).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    const named = isIn(Buffer.from(entry.name)) ? [path] : [];
    if (entry.isDirectory() && deviceOf(path) === device)
      return [...named, ...filesWith(path, wanted, sinceMs)];
    if (!entry.isFile() || named.length > 0) return named;
    return isIn(changedContent(path, sinceMs)) ? [path] : [];
  });
}

/** Each file system in RAM of this host, at one place where it can be reached. */
export function memoryPlaces(): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const places = new Map<number, string>();
  for (const place of pids.flatMap(memoryPlacesOf)) {
    const device = deviceOf(place);
    if (device !== undefined) places.set(device, place);
  }
  return [...places.values()];
}

function memoryPlacesOf(pid: string): string[] {
  try {
    const lines = readFileSync(`/proc/${pid}/mountinfo`, "utf8").trim().split("\n");
    return lines
      .filter((line) => / - (tmpfs|ramfs) /.test(line))
      .map((line) => `/proc/${pid}/root${line.split(" ")[4]}`);
  } catch {
    // It is gone.
    return [];
  }
}
