/** The modules of CPython's regression tests, as regrtest itself lists them. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { TREE } from "./places.ts";

/** Of packages that are one test to regrtest, each file by itself: one that hangs is not all. */
function partsOf(module: string): readonly string[] {
  const directory = `${TREE}/lib/python3.11/test/${module}`;
  if (module !== "test_asyncio" || !existsSync(directory)) return [module];
  return readdirSync(directory)
    .filter((name) => /^test_\w+\.py$/.test(name))
    .map((name) => `test.${module}.${name.slice(0, -3)}`)
    .sort();
}

export function allModules(): readonly string[] {
  const listed = execFileSync(`${TREE}/bin/python3`, ["-m", "test", "--list-tests"]);
  return listed.toString().trim().split("\n").flatMap(partsOf);
}
