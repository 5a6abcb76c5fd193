/**
 * Cases that are known not to be contained, by id, each with why; SECURITY.md tells them too. They
 * must escape, or this note is out of date.
 */
const DEVICES = "only root can make device nodes, so boxes of an ordinary user have the host's";

export const OPEN: ReadonlyMap<string, string> = new Map(
  process.getuid?.() === 0
    ? []
    : [
        ["jobs/watched-devices", DEVICES],
        ["jobs/locked-devices", DEVICES],
      ],
);
