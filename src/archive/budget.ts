/**
 * What one request may unpack, counted over all of its parts, and the names that it has used.
 *
 * Keeps S12 of SECURITY.md.
 */
import { Refusal } from "../core/errors.ts";
import type { InputFile } from "../core/job.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";
import { checkDirectoryPath, checkPath, showPath } from "../core/paths.ts";

export interface InputCeilings {
  readonly inputFiles: number;
  readonly inputDirectories: number;
  readonly unpackedBytes: number;
}

/** The latest time that a box can set in its 32-bit field. */
const LATEST_MTIME_SECONDS = 2 ** 32 - 1;

/**
 * The time of a file that came without one: 2000-01-01. In the past, so that a change by the
 * job shows; after 1980, because zip tools of a job refuse what is older.
 */
export const PLAIN_FILE_MTIME_SECONDS = 946_684_800;

/** Whole seconds in the range that a box can set; what is no number becomes the plain time. */
export function clampMtime(seconds: number): number {
  if (Number.isNaN(seconds)) return PLAIN_FILE_MTIME_SECONDS;
  return Math.min(Math.max(Math.floor(seconds), 0), LATEST_MTIME_SECONDS);
}

/** Counts files, directories and bytes; refuses the one that is too many, by its name. */
export class InputBudget {
  readonly #ceilings: InputCeilings;
  /** A Map, since `__proto__` is a file name like any other. */
  readonly #kinds = new Map<string, "file" | "directory">();
  #files = 0;
  #directories = 0;
  #bytes = 0;

  constructor(ceilings: InputCeilings = TRANSFER_LIMITS) {
    this.#ceilings = ceilings;
  }

  get remainingBytes(): number {
    return this.#ceilings.unpackedBytes - this.#bytes;
  }

  /** Entries that may still come; an archive that announces more need not be read. */
  get remainingEntries(): number {
    return (
      this.#ceilings.inputFiles + this.#ceilings.inputDirectories - this.#files - this.#directories
    );
  }

  /**
   * Takes the place of a file. @returns its normalised path.
   * @throws Refusal `bad_path` for a bad or used name, `too_large` for one file too many.
   */
  claimFile(raw: string): string {
    const path = checkPath(raw);
    this.#claimParents(path);
    const kind = this.#kinds.get(path);
    if (kind === "directory") this.#refuse(path, "is a file and a directory");
    if (kind === "file") this.#refuse(path, "is there twice");
    if (++this.#files > this.#ceilings.inputFiles) {
      throw new Refusal(
        "too_large",
        `"${showPath(path)}": more than ${this.#ceilings.inputFiles} files`,
      );
    }
    this.#kinds.set(path, "file");
    return path;
  }

  /**
   * Takes the place of a directory; the same one may come again.
   * @returns its normalised path, undefined for the top or one that came before.
   * @throws Refusal as `claimFile` does.
   */
  claimDirectory(raw: string): string | undefined {
    const path = checkDirectoryPath(raw);
    if (path === undefined) return undefined;
    this.#claimParents(path);
    return this.#addDirectory(path) ? path : undefined;
  }

  /** @throws Refusal `too_large`, naming the entry whose bytes are too many. */
  charge(bytes: number, entry: string): void {
    if (bytes > this.remainingBytes) {
      throw new Refusal(
        "too_large",
        `"${showPath(entry)}": more than ${this.#ceilings.unpackedBytes} bytes unpacked`,
      );
    }
    this.#bytes += bytes;
  }

  #claimParents(path: string): void {
    for (let i = path.indexOf("/"); i !== -1; i = path.indexOf("/", i + 1)) {
      this.#addDirectory(path.slice(0, i));
    }
  }

  #addDirectory(path: string): boolean {
    const kind = this.#kinds.get(path);
    if (kind === "file") this.#refuse(path, "is a file and a directory");
    if (kind === "directory") return false;
    if (++this.#directories > this.#ceilings.inputDirectories) {
      throw new Refusal(
        "too_large",
        `"${showPath(path)}": more than ${this.#ceilings.inputDirectories} directories`,
      );
    }
    this.#kinds.set(path, "directory");
    return true;
  }

  #refuse(path: string, fault: string): never {
    throw new Refusal("bad_path", `"${showPath(path)}": ${fault}`);
  }
}

/**
 * A file that came by itself, as a part of a form or a value in JSON: counted, not executable.
 * @throws Refusal as `InputBudget` does.
 */
export function plainFile(raw: string, bytes: Uint8Array, budget: InputBudget): InputFile {
  const path = budget.claimFile(raw);
  budget.charge(bytes.length, path);
  return { path, executable: false, mtimeSeconds: PLAIN_FILE_MTIME_SECONDS, bytes };
}
