/** Where the parts of the comparison lie; scripts/compatibility.sh puts the tree there. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { fileURLToPath } from "node:url";

const RUNTIME = fileURLToPath(new URL("../../../.runtime/compatibility/", import.meta.url));

/** CPython with its tests, as Debian built it; boxes see it at /env. */
export const TREE = `${RUNTIME}env`;

/** Name and version of each package that the tree was unpacked from. */
export const VERSIONS = `${RUNTIME}env/packages`;

export const RECORDER = fileURLToPath(new URL("record.py", import.meta.url));

export const DOCUMENT = fileURLToPath(new URL("../../../docs/compatibility.md", import.meta.url));

/** What the last run found inside. */
export const INSIDE = `${RUNTIME}inside`;

/** What was found outside; kept as long as neither kernel, Python nor the question changes. */
export function outsideDirectory(): string {
  const hash = createHash("sha256").update(release());
  for (const path of [VERSIONS, RECORDER]) hash.update(readFileSync(path));
  return `${RUNTIME}outside-${hash.digest("hex").slice(0, 12)}`;
}
