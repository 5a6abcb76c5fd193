/** Files that go with the program: picked, dropped, or whole folders; held until they are sent. */
import { TRANSFER_LIMITS } from "../../src/core/limits.ts";

export interface Chosen {
  /** Relative, with `/`. */
  readonly path: string;
  readonly blob: Blob;
}

/** What cannot be taken, in a sentence for the person. */
export class TooMuch extends Error {}

export class FileTray {
  #files = new Map<string, Blob>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get all(): readonly Chosen[] {
    return [...this.#files].map(([path, blob]) => ({ path, blob }));
  }

  get bytes(): number {
    return this.all.reduce((sum, { blob }) => sum + blob.size, 0);
  }

  /**
   * Files of the same path are replaced.
   * @throws TooMuch when a job may not have that many; then none is taken
   */
  add(files: readonly Chosen[]): void {
    const all = new Map([...this.#files, ...files.map(({ path, blob }) => [path, blob] as const)]);
    const bytes = [...all.values()].reduce((sum, blob) => sum + blob.size, 0);
    if (all.size > TRANSFER_LIMITS.inputFiles)
      throw new TooMuch(
        `A job may have ${TRANSFER_LIMITS.inputFiles} files; these are ${all.size}.`,
      );
    if (bytes > TRANSFER_LIMITS.inputBytes)
      throw new TooMuch("A job may bring 100 MB of files; these are more.");
    this.#files = all;
    this.#onChange();
  }

  remove(path: string): void {
    this.#files.delete(path);
    this.#onChange();
  }

  clear(): void {
    this.#files.clear();
    this.#onChange();
  }
}

export function isArchive(path: string): boolean {
  return /\.(tar|tar\.gz|tgz|zip)$/i.test(path);
}

/** Files of an `<input type="file">`; those of a folder keep their place below it. */
export function picked(list: FileList | null): Chosen[] {
  return [...(list ?? [])].map((file) => ({
    path: withoutTop(file.webkitRelativePath) || file.name,
    blob: file,
  }));
}

/** `folder/sub/a.txt` → `sub/a.txt`: the folder itself becomes the job's own. */
function withoutTop(path: string): string {
  return path.slice(path.indexOf("/") + 1);
}

/**
 * Everything that was dropped. A single folder becomes the job's own; several, or a folder beside
 * files, keep their names. Entries must be taken before the first await: later they are gone.
 */
export async function dropped(transfer: DataTransfer): Promise<Chosen[]> {
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const plain = [...transfer.files];
  if (entries.length === 0) return plain.map((file) => ({ path: file.name, blob: file }));
  const found: Chosen[] = [];
  for (const entry of entries) await walk(entry, "", found);
  const [only] = entries;
  if (entries.length > 1 || !only?.isDirectory) return found;
  return found.map(({ path, blob }) => ({ path: withoutTop(path), blob }));
}

async function walk(entry: FileSystemEntry, below: string, found: Chosen[]): Promise<void> {
  if (found.length > TRANSFER_LIMITS.inputFiles)
    throw new TooMuch(`A job may have ${TRANSFER_LIMITS.inputFiles} files; that folder has more.`);
  const path = `${below}${entry.name}`;
  if (entry instanceof FileSystemFileEntry || entry.isFile) {
    const file = entry as FileSystemFileEntry;
    found.push({ path, blob: await new Promise<File>((done, failed) => file.file(done, failed)) });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, failed) =>
      reader.readEntries(done, failed),
    );
    if (some.length === 0) return;
    for (const child of some) if (child.name !== ".git") await walk(child, `${path}/`, found);
  }
}
