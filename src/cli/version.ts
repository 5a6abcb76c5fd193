/** `sandrun --version` */
import { readFile } from "node:fs/promises";
import type { Command } from "./io.ts";
import { put } from "./io.ts";
import { isRecord } from "./runOptions.ts";

export const version: Command = async (_argv, io) => {
  await put(io.stdout, `sandrun ${await versionNumber()}\n`);
  return 0;
};

/** Of this program, as in package.json. */
export async function versionNumber(): Promise<string> {
  const manifest: unknown = JSON.parse(
    await readFile(new URL("../../package.json", import.meta.url), "utf8"),
  );
  const number = isRecord(manifest) ? manifest["version"] : undefined;
  return typeof number === "string" ? number : "unknown";
}
