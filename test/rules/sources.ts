/** The project's own files, as the rules look at them. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Source {
  /** From the checkout's root. */
  readonly path: string;
  readonly text: string;
}

/** Files that git tracks or would track, so that a new file is judged before it is added. */
export function projectFiles(): readonly string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  const listed = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" });
  return [...new Set(listed.split("\0"))].filter((path) => path !== "").sort();
}

export function read(path: string): Source {
  return { path, text: readFileSync(`${ROOT}${path}`, "utf8") };
}

export function sources(pattern: RegExp): readonly Source[] {
  return projectFiles()
    .filter((path) => pattern.test(path))
    .flatMap(readIfThere);
}

/** A file may be tracked and deleted, or go away while others work. */
function readIfThere(path: string): Source[] {
  try {
    return [read(path)];
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** The text with comments blanked out, line for line. Strings stay: rules on code allow for them. */
export function withoutComments(text: string): string {
  const blank = (comment: string): string => comment.replace(/[^\n]/g, " ");
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (all, string) => (string === undefined ? blank(all) : all),
  );
}

/** `path:line: what`, for messages that an editor can follow. */
export function at(source: Source, index: number, what: string): string {
  return `${source.path}:${source.text.slice(0, index).split("\n").length}: ${what}`;
}
