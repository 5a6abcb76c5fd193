/** Prepared trees of the host, such as a Python venv, that jobs can name. */
import { resolve } from "node:path";
import type { EnvironmentInfo } from "../core/offer.ts";
import type { Runner } from "../core/runner.ts";
import { askBox, findInterpreters } from "./interpreters.ts";

export interface EnvironmentTree {
  readonly name: string;
  /** Absolute. Only the warden, and boxes, are sure to be allowed into it. */
  readonly directory: string;
}

/**
 * A tree as an operator named it; a relative path is taken from the working directory.
 * @throws Error with one sentence that says what is wrong with it.
 */
export function environmentTree(name: string, path: string): EnvironmentTree {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/i.test(name)) {
    throw new Error(`environment ${name}: a name is made of letters, digits, ".", "_" and "-"`);
  }
  return { name, directory: resolve(path) };
}

/** Where Python keeps what is installed, at /env and in a whole system. */
const SITE_PACKAGES = [
  "/env/lib/python3*/site-packages",
  "/usr/local/lib/python3*/site-packages",
  "/usr/lib/python3*/site-packages",
  "/usr/lib/python3/dist-packages",
].map((place) => `${place}/*.dist-info`);

/** A venv whose python3 is a link to a place that boxes cannot see is of no use. */
const LIST = `
if [ -e /env/pyvenv.cfg ] && ! /env/bin/python3 -c pass; then echo broken; fi
for each in ${SITE_PACKAGES.join(" ")}; do [ -e "$each" ] && echo "\${each##*/}"; done
exit 0
`;

/**
 * What an environment offers, found out inside a box of it.
 * @throws Error with one sentence when it cannot be used.
 */
export async function describeEnvironment(
  runner: Runner,
  { name, directory }: EnvironmentTree,
): Promise<EnvironmentInfo> {
  const found = await findInterpreters(runner, name);
  const interpreters = found.map((info) => ({ name: info.name, version: info.version }));
  const lines = (await askBox(runner, LIST, name)).split("\n");
  if (lines.includes("broken")) {
    throw new Error(
      `environment ${name}: its python3 leads to a place that boxes cannot see; make it with: /usr/bin/python3 -m venv ${directory}`,
    );
  }
  const packages = lines
    .map((line) => /^(.+)-([^-]+)\.dist-info$/.exec(line))
    .filter((match) => match !== null)
    .map(([, title = "", version = ""]) => ({
      name: title.replaceAll("_", "-").toLowerCase(),
      version,
    }));
  packages.sort((one, other) => (one.name < other.name ? -1 : 1));
  return { name, interpreters, packages };
}
