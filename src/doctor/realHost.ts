/** The machine on which this runs. Only reads; what cannot be read is a fact, too. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statfsSync,
  statSync,
} from "node:fs";
import { arch, release } from "node:os";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { DOCTOR_LIMITS } from "../core/limits.ts";
import type { Host } from "./host.ts";

/** @returns undefined when it fails, for whatever reason */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Files of the kernel have no size, so it is read until its end or the limit. */
function readBytes(path: string): Buffer {
  // Not to wait for a writer where a name turns out to be a pipe.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(DOCTOR_LIMITS.fileBytes);
    let length = 0;
    for (let got = -1; got !== 0 && length < buffer.length; length += got)
      got = readSync(fd, buffer, length, buffer.length - length, null);
    return buffer.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}

function read(path: string): string | undefined {
  return attempt(() => readBytes(path).toString("utf8"));
}

function readKernelConfig(): string | undefined {
  const packed = attempt(() =>
    gunzipSync(readBytes("/proc/config.gz"), { maxOutputLength: DOCTOR_LIMITS.fileBytes }),
  );
  return packed?.toString("utf8") ?? read(`/boot/config-${release()}`);
}

function isProgram(path: string): boolean {
  return (
    attempt(() => {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    }) ?? false
  );
}

function find(path: string, program: string): string | undefined {
  const places = path.split(":").filter(isAbsolute);
  return places.map((place) => join(place, program)).find(isProgram);
}

/** From the file itself, as the warden does: other sources of names are none to it. */
function nameOf(uid: number): string | undefined {
  const lines = (read("/etc/passwd") ?? "").split("\n").map((line) => line.split(":"));
  return lines.find(([, , id]) => id === `${uid}`)?.[0];
}

export function realHost(env: NodeJS.ProcessEnv, nowMs: number): Host {
  const uid = process.geteuid?.() ?? -1;
  const directory = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
  // Tools of administrators are there even where a user's PATH leaves them out.
  const path = `${env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  return {
    uid,
    userName: nameOf(uid),
    release: release(),
    arch: arch(),
    nowMs,
    directory,
    native: join(directory, "native/build/sandrun-native"),
    env,
    kernelConfig: readKernelConfig(),
    read,
    exists: existsSync,
    names: (directoryPath) => attempt(() => readdirSync(directoryPath).sort()) ?? [],
    linkTarget: (linkPath) => attempt(() => readlinkSync(linkPath)),
    mode: (filePath) => attempt(() => statSync(filePath).mode & 0o7777),
    isWritable: (filePath) =>
      attempt(() => {
        accessSync(filePath, constants.W_OK);
        return true;
      }) ?? false,
    find: (program) => find(path, program),
    freeDiskBytes: (filePath) =>
      attempt(() => {
        const { bavail, bsize } = statfsSync(filePath);
        return bavail * bsize;
      }),
  };
}
