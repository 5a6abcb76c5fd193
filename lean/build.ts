/** Run by Bun (scripts/buildLean.sh): puts all of the program into the executable that is its argument. */
import { dirname, join, resolve } from "node:path";

const root = join(import.meta.dirname, "..");
const outfile = process.argv[2];

/** Modules of a checkout, and what stands in their place. */
const INSTEAD: Readonly<Record<string, string>> = {
  "src/sandbox/place.ts": "lean/place.ts",
  "src/http/takeOver.ts": "lean/takeOver.ts",
  "src/channel.ts": "lean/channel.ts",
};
const used = new Set<string>();

const { success, logs } = await Bun.build({
  entrypoints: [join(root, "lean/program.ts")],
  target: "bun",
  // Compiled ahead, and what is loaded later in parts of its own: both for the memory at rest.
  bytecode: true,
  format: "esm",
  splitting: true,
  minify: { whitespace: true, syntax: true, identifiers: false },
  compile: { outfile: resolve(outfile ?? "") },
  plugins: [
    {
      name: "instead",
      setup: (build) =>
        build.onResolve({ filter: /\/(place|takeOver|channel)\.ts$/ }, ({ importer, path }) => {
          const found = resolve(dirname(importer), path).slice(root.length + 1);
          const other = INSTEAD[found];
          if (other === undefined) return undefined;
          used.add(found);
          return { path: join(root, other) };
        }),
    },
  ],
});
if (!success) throw new Error(logs.join("\n"));
// A module that was renamed would else be there twice, and the wrong one be used.
for (const path of Object.keys(INSTEAD))
  if (!used.has(path)) throw new Error(`nobody imports ${path} any more`);
