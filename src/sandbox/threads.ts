/** What the kernel tells of the threads of a control group. */
import { readFileSync } from "node:fs";

/**
 * Whether one of them runs, or waits for a processor, at this moment. One that is held back by its
 * group's limit waits for a processor, too.
 * @param list file of the group that lists its threads, as the kernel numbers them for us
 * @returns false also when the kernel does not tell
 */
export function anyWantsCpu(list: string): boolean {
  const threads = textOf(list).split("\n");
  return threads.some((thread) => {
    if (thread === "") return false;
    const status = textOf(`/proc/${thread}/stat`);
    // The name before it is the program's to choose.
    return status.startsWith(") R", status.lastIndexOf(")"));
  });
}

/** Empty when it is gone. */
function textOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
