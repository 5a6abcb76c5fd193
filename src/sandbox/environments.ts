/** Prepared trees of the host, such as a Python venv, that jobs can name. */
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

export interface EnvironmentTree {
  readonly name: string;
  /** Something for /env, such as a venv, or a whole system with a /usr of its own. */
  readonly kind: "named" | "root";
  /** Absolute, without links. */
  readonly directory: string;
}

export interface Package {
  readonly name: string;
  readonly version: string;
}

/**
 * Checks a tree that an operator named.
 * @throws Error with one sentence that says what is wrong with it.
 */
export function openEnvironment(name: string, path: string): EnvironmentTree {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/i.test(name)) {
    throw new Error(`environment ${name}: a name is made of letters, digits, ".", "_" and "-"`);
  }
  let directory: string;
  try {
    directory = realpathSync(path);
  } catch {
    throw new Error(`environment ${name}: there is no directory ${path}`);
  }
  if (!statSync(directory).isDirectory() || directory.includes("\n")) {
    throw new Error(`environment ${name}: ${path} is not a directory`);
  }
  const python = join(directory, "bin", "python3");
  if (existsSync(join(directory, "pyvenv.cfg"))) checkPython(name, directory, python);
  const kind = existsSync(join(directory, "usr", "bin")) ? "root" : "named";
  return { name, kind, directory };
}

/** A venv made with a Python outside /usr holds links to what no box can see. */
function checkPython(name: string, directory: string, python: string): void {
  const target = existsSync(python) ? realpathSync(python) : "nothing";
  if (target.startsWith("/usr/bin/") || target.startsWith(`${directory}/`)) return;
  throw new Error(
    `environment ${name}: its python3 leads to ${target}, which boxes cannot see; make it with: /usr/bin/python3 -m venv ${directory}`,
  );
}

/** What is installed in a venv: name and version as its `.dist-info` directories say. */
export function packagesOf(tree: EnvironmentTree): readonly Package[] {
  const lib = join(tree.directory, "lib");
  const pythons = existsSync(lib)
    ? readdirSync(lib).filter((name) => name.startsWith("python"))
    : [];
  const packages = pythons
    .map((python) => join(lib, python, "site-packages"))
    .filter((place) => existsSync(place))
    .flatMap((place) => readdirSync(place))
    .map((name) => /^(.+)-([^-]+)\.dist-info$/.exec(name))
    .filter((match) => match !== null)
    .map(([, name = "", version = ""]) => ({
      name: name.replaceAll("_", "-").toLowerCase(),
      version,
    }));
  return packages.sort((one, other) => (one.name < other.name ? -1 : 1));
}
