/** Cases that are known not to be contained yet, by id, each with why; SECURITY.md tells them too. */
export const OPEN: ReadonlyMap<string, string> = new Map([
  [
    "memory/locks",
    "the kernel counts the memory of byte-range locks for nobody, and SQLite needs such locks, so they cannot be refused",
  ],
]);
