/** `sandrun --version` */
import { VERSION } from "../core/version.ts";
import type { Command } from "./io.ts";
import { put } from "./io.ts";

export const version: Command = async (_argv, io) => {
  await put(io.stdout, `sandrun ${VERSION}\n`);
  return 0;
};
