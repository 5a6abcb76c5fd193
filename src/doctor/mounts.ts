/** What is mounted where, as this process sees it. */
import type { Host } from "./host.ts";

export interface Mount {
  /** Which directory of the file system is shown. */
  readonly root: string;
  readonly place: string;
  readonly options: readonly string[];
  readonly type: string;
  readonly superOptions: readonly string[];
}

/** Spaces, tabs, line breaks and backslashes are written as three octal digits. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, digits) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** All mounts in the order in which they were made (proc(5), /proc/[pid]/mountinfo). */
export function mountsOf(host: Host): readonly Mount[] {
  const lines = (host.read("/proc/self/mountinfo") ?? "").split("\n");
  return lines.flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, place, options = ""] = before.split(" ");
    const [type, , superOptions = ""] = after.split(" ");
    if (root === undefined || place === undefined || type === undefined) return [];
    const mount = { root: unescaped(root), place: unescaped(place), type };
    return [{ ...mount, options: options.split(","), superOptions: superOptions.split(",") }];
  });
}
