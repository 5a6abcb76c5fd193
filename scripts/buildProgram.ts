/**
 * Bundles the program into the directory that is its argument; what is loaded later stays in files of
 * its own. Node starts with it in a quarter of the time and half of the memory that the sources take.
 *
 * The directory has to lie two below the checkout's root, as that of each source does: from there the
 * native part and the web page are found.
 */
import { chmodSync, readdirSync, realpathSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";

// As the bundler names what it reads.
const root = realpathSync(fileURLToPath(new URL("../", import.meta.url)));
const [, , directory = ""] = process.argv;

/** V8 keeps a text in twice the memory when it has one letter that Latin-1 has not. */
function toAscii(code: string): string {
  const escaped = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return code.replace(/[^\0-\x7f]/g, escaped);
}

/** What scripts/setup.sh takes its sum of. The lockfile stands for all packages. */
const NOTICED = /^src\/([^/]+\/)?[^/]+\.ts$/;

/** @throws Error when one of the files that were read is not among those */
function checkNoticed(ids: Iterable<string>): void {
  const files = [...ids].filter((id) => id.startsWith("/") && !id.includes("/node_modules/"));
  const other = files.map((file) => relative(root, file)).find((path) => !NOTICED.test(path));
  if (other === undefined) return;
  throw new Error(`${other} would change without being noticed: see name_program in setup.sh`);
}

async function bundle(): Promise<void> {
  await build({
    cwd: root,
    input: "src/cli/program.ts",
    platform: "node",
    logLevel: "warn",
    onLog: (level, log, handle) => handle(level === "warn" ? "error" : level, log),
    plugins: [
      {
        name: "noticed",
        buildEnd(error) {
          if (error === undefined) checkNoticed(this.getModuleIds());
        },
      },
    ],
    output: {
      dir: resolve(directory),
      format: "esm",
      entryFileNames: "[name].js",
      chunkFileNames: "[name]-[hash].js",
      comments: false,
      // Names stay: what fails is told by them.
      minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
      plugins: [{ name: "ascii", renderChunk: toAscii }],
    },
  });
  // The service reads them as a uid of its own.
  chmodSync(directory, 0o755);
  for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o644);
}

try {
  await bundle();
} catch (fault) {
  process.stderr.write(`${fault instanceof Error ? fault.message : String(fault)}\n`);
  process.exitCode = 1;
}
