/** Cases that are known not to be contained yet, by id, each with why; SECURITY.md tells them too. */
export const OPEN: ReadonlyMap<string, string> = new Map();
