/** Calls of the system that the runtime has no name for. */
import { dlopen, ptr } from "bun:ffi";

const INT = { args: ["i32", "i32", "i32"], returns: "i32" };

/** Opened when it is needed, by the few who do. */
export function openLibc() {
  return dlopen("libc.so.6", {
    memfd_create: { args: ["ptr", "u32"], returns: "i32" },
    fcntl: INT,
    dup3: INT,
    epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
    execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  }).symbols;
}

export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** An array of pointers with a null pointer behind; `texts` must live as long as it is used. */
export function pointersTo(texts: readonly Buffer[]): BigUint64Array {
  return new BigUint64Array([...texts.map((text) => BigInt(ptr(text))), 0n]);
}
