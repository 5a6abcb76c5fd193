/** Where the parts of this program lie, in a checkout, and what differs in the lean build, which has a module in place of this. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

export function nativeProgram(): string {
  return fileURLToPath(new URL("../../native/build/sandrun-native", import.meta.url));
}

/** What `npm run build:web` made. */
export function webDirectory(): string {
  return fileURLToPath(new URL("../../web/dist", import.meta.url));
}

/** Whether a service keeps no process of JavaScript while nobody asks for anything, unless it is told. */
export function usuallySleeps(): boolean {
  return false;
}

/** Whether boxes get a Node of ours. */
export function bringsNode(): boolean {
  return true;
}

/**
 * Where this program's own runtime lies, which brings node into boxes; undefined when it is part of
 * /usr and so in every box already.
 */
export function runtimeDirectory(): string | undefined {
  const path = dirname(dirname(process.execPath));
  return path === "/usr" ? undefined : path;
}
