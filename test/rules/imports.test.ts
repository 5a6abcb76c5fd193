import assert from "node:assert/strict";
import { posix } from "node:path";
import { test } from "node:test";
import { at, type Source, sources, withoutComments } from "./sources.ts";

/**
 * Which room may import which. A file directly in src/ belongs to `main`, the composition root,
 * except the engine, which is a room of its own.
 */
const MAY_IMPORT: ReadonlyMap<string, readonly string[]> = new Map([
  ["core", []],
  ["queue", ["core"]],
  ["store", ["core"]],
  ["sandbox", ["core"]],
  ["pool", ["core"]],
  ["archive", ["core"]],
  ["engine", ["core", "queue", "store"]],
  ["http", ["engine", "core", "archive"]],
  ["client", ["core"]],
  ["doctor", ["core"]],
  ["mcp", ["core", "client", "http"]],
  ["piston", ["core", "client", "http"]],
  ["cli", ["client", "core", "main", "doctor", "mcp"]],
  [
    "main",
    ["core", "queue", "store", "sandbox", "pool", "archive", "engine", "http", "mcp", "piston"],
  ],
]);

/** Rooms that also run where there is no Node. */
const WITHOUT_NODE: readonly string[] = ["core", "client"];

interface Import {
  readonly from: Source;
  readonly index: number;
  readonly specifier: string;
  /** Resolved, for our own files. */
  readonly target: string | undefined;
  readonly isType: boolean;
  readonly isLazy: boolean;
}

const IMPORT =
  /(?:^|\n)(?:import|export)\s+(type\s+)?[^"';]*?from\s+"([^"]+)"|(?:^|\n)import\s+"([^"]+)"|(typeof\s+)?\bimport\("([^"]+)"\)/g;

function importsOf(source: Source): Import[] {
  const code = withoutComments(source.text);
  return [...code.matchAll(IMPORT)].map((match) => {
    const specifier = match[2] ?? match[3] ?? match[5] ?? "";
    const isOurs = specifier.startsWith(".");
    const target = isOurs ? posix.join(posix.dirname(source.path), specifier) : undefined;
    return {
      from: source,
      index: match.index,
      specifier,
      target,
      isType: match[1] !== undefined || match[4] !== undefined,
      isLazy: match[5] !== undefined,
    };
  });
}

function roomOf(path: string): string {
  const [, room = "", rest] = path.split("/");
  if (rest !== undefined) return room;
  return room === "engine.ts" ? "engine" : "main";
}

const files = sources(/^src\/.*\.ts$/);
const imports = files.flatMap(importsOf);

test("the rule reads imports at all", () => {
  assert.ok(imports.length > 100);
  assert.ok(imports.some(({ isLazy, target }) => isLazy && target !== undefined));
});

test("rooms import only downwards", () => {
  const wrong = imports.flatMap(({ from, index, specifier, target }) => {
    if (target === undefined) return [];
    const [room, other] = [roomOf(from.path), roomOf(target)];
    if (room === other || MAY_IMPORT.get(room)?.includes(other)) return [];
    return [at(from, index, `${room} may not import ${other} (${specifier})`)];
  });
  assert.deepEqual(wrong, []);
});

test("the command line reaches the composition root by main.ts only", () => {
  const wrong = imports
    .filter(({ from, target }) => roomOf(from.path) === "cli" && target !== undefined)
    .filter(({ target = "" }) => roomOf(target) === "main" && target !== "src/main.ts")
    .map(({ from, index, specifier }) => at(from, index, specifier));
  assert.deepEqual(wrong, []);
});

test("what only some runs need is loaded by those", () => {
  const rooms = ["mcp", "piston"];
  const wrong = imports
    .filter(
      ({ from, target = "" }) =>
        !rooms.includes(roomOf(from.path)) && rooms.includes(roomOf(target)),
    )
    .filter(({ isType, isLazy }) => !isType && !isLazy)
    .map(({ from, index, specifier }) => at(from, index, specifier));
  assert.deepEqual(wrong, []);
  const outside = imports
    .filter(
      ({ from, specifier }) =>
        specifier.startsWith("@modelcontextprotocol/") && roomOf(from.path) !== "mcp",
    )
    .map(({ from, index, specifier }) => at(from, index, specifier));
  assert.deepEqual(outside, []);
});

test("the web page is one more client: it imports client and core, and nothing of Node", () => {
  const all = sources(/^web\/src\/.*\.ts$/).flatMap(importsOf);
  assert.ok(all.some(({ target }) => target?.startsWith("src/client/") === true));
  const wrong = all
    .filter(({ specifier, target = "" }) => {
      const isOther = target.startsWith("src/") && !["client", "core"].includes(roomOf(target));
      return isOther || specifier.startsWith("node:");
    })
    .map(({ from, index, specifier }) => at(from, index, specifier));
  assert.deepEqual(wrong, []);
});

test("core and client need no Node", () => {
  const wrong = imports
    .filter(({ from, specifier }) => {
      return WITHOUT_NODE.includes(roomOf(from.path)) && specifier.startsWith("node:");
    })
    .map(({ from, index, specifier }) => at(from, index, specifier));
  assert.deepEqual(wrong, []);
});

test("builtin modules are named with node:, our files with their ending", () => {
  const builtin =
    /^(fs|path|os|net|http|https|tls|crypto|stream|util|events|child_process|zlib)(\/|$)/;
  const wrong = imports
    .filter(({ specifier, target }) => {
      return builtin.test(specifier) || (target !== undefined && !/\.(ts|json)$/.test(specifier));
    })
    .map(({ from, index, specifier }) => at(from, index, specifier));
  assert.deepEqual(wrong, []);
});

/** One cycle as a path of files, if there is any; a lazy or type import makes none. */
function findCycle(edges: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): readonly string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const next of edges.get(path) ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle.length > 0) return cycle;
    }
    done.add(path);
    return [];
  };
  for (const path of edges.keys()) {
    const cycle = visit(path, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

test("finds a cycle where there is one", () => {
  const edges = new Map([
    ["a", ["b"]],
    ["b", ["c", "d"]],
    ["c", []],
    ["d", ["b"]],
  ]);
  assert.deepEqual(findCycle(edges), ["b", "d", "b"]);
});

test("no file imports itself in a circle", () => {
  const edges = new Map(files.map(({ path }) => [path, [] as string[]]));
  for (const { from, target, isType, isLazy } of imports)
    if (target !== undefined && !isType && !isLazy) edges.get(from.path)?.push(target);
  assert.deepEqual(findCycle(edges), []);
});

test("imports name files that exist", () => {
  const known = new Set(files.map(({ path }) => path));
  const wrong = imports
    .filter(({ target }) => target?.endsWith(".ts") && !known.has(target))
    .map(({ from, index, specifier }) => at(from, index, specifier));
  assert.deepEqual(wrong, []);
});

test("no default export and no file that only passes on others", () => {
  const wrong = files.flatMap((source) => {
    const code = withoutComments(source.text);
    const found = code.search(/^export (default|\*)/m);
    return found < 0 ? [] : [at(source, found, "default export or barrel")];
  });
  assert.deepEqual(wrong, []);
});

test("the client is the only room that calls fetch, and none phones home", () => {
  const wrong = files.flatMap((source) => {
    const found = withoutComments(source.text).search(
      /["'`]https?:\/\/(?!\[?\$?\{)[a-z0-9.-]+\.[a-z]{2,}/i,
    );
    return found < 0 || /example\.(com|org)/.test(source.text.slice(found, found + 60))
      ? []
      : [at(source, found, "an address of the outside world")];
  });
  assert.deepEqual(wrong, []);
});
