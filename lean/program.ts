/**
 * The entry of the lean build. A service begins with the warden, as it does from a checkout: this
 * process becomes it before anything of a caller's is there.
 */
import { dirname } from "node:path";
import { cString, openLibc, pointersTo } from "./libc.ts";
import { nativeProgram } from "./place.ts";

const SERVE_OPTION = /^--(port|listen|cert|key|behind-proxy|web)(=|$)/;

/** @returns the options of `serve`; undefined when another command is meant, or help */
function serveOptions(words: readonly string[]): readonly string[] | undefined {
  if (words.some((word) => word === "--help" || word === "-h")) return undefined;
  if (words[0] === "serve") return words.slice(1);
  return SERVE_OPTION.test(words[0] ?? "") ? words : undefined;
}

function becomeWarden(options: readonly string[]): never {
  const { execPath } = process;
  const program = nativeProgram();
  const words = ["sandrun-native", "serve", dirname(execPath), execPath, "--", ...options];
  const variables = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  const texts = [program, ...words, ...variables].map(cString);
  const [path, ...rest] = texts;
  openLibc().execve(
    path,
    pointersTo(rest.slice(0, words.length)),
    pointersTo(rest.slice(words.length)),
  );
  process.stderr.write("sandrun: the native part could not be started\n");
  process.exit(125);
}

/** What src/succession.ts asks for when it is to be small. */
function collect(): void {
  Bun.gc(true);
  Bun.shrink();
}

if (process.argv[2] === "serve-run") globalThis.gc = collect as NodeJS.GCFunction;

const options = serveOptions(process.argv.slice(2));
if (options !== undefined) becomeWarden(options);
// With help asked for, options of `serve` alone mean that command's.
else if (SERVE_OPTION.test(process.argv[2] ?? ""))
  process.argv.splice(2, Infinity, "serve", "--help");
await import("../src/cli/program.ts");
