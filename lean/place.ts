/** In place of src/sandbox/place.ts: all parts of the lean build are in its one file. */
import { readFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import embedded from "../native/build/sandrun-native" with { type: "file" };
import { cString, openLibc } from "./libc.ts";

const MFD_CLOEXEC_SEALABLE = 3;
const F_ADD_SEALS = 1033;
const ALL_SEALS = 15;

/** The native part, in memory that nobody can change and that goes with us. @returns its path */
export function nativeProgram(): string {
  const libc = openLibc();
  const fd = libc.memfd_create(cString("sandrun-native"), MFD_CLOEXEC_SEALABLE);
  if (fd < 0) throw new Error("the native part could not be unpacked into memory");
  const bytes = readFileSync(embedded);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  if (libc.fcntl(fd, F_ADD_SEALS, ALL_SEALS) !== 0)
    throw new Error("the native part could not be sealed");
  return `/proc/self/fd/${fd}`;
}

/** Beside the program, where somebody has put it. */
export function webDirectory(): string {
  return join(dirname(process.execPath), "web/dist");
}

/** It is there for machines with little memory, and wakes in a tenth of a second. */
export function usuallySleeps(): boolean {
  return true;
}

/** This runtime is not Node: boxes have what stands in /usr. */
export function bringsNode(): boolean {
  return false;
}

export function runtimeDirectory(): string | undefined {
  return undefined;
}
