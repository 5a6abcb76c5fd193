/** Where this process is among the control groups; the same way the warden looks (native/place.c). */
import type { Host } from "./host.ts";
import { type Mount, mountsOf } from "./mounts.ts";

export const CONTROLLERS_V1 = ["memory", "pids", "cpu", "cpuacct"] as const;
export const CONTROLLERS_V2 = ["memory", "pids", "cpu"] as const;

export type Places =
  | {
      readonly version: 1;
      readonly directories: ReadonlyMap<string, string>;
      readonly hasV2: boolean;
    }
  | { readonly version: 2; readonly top: string; readonly own: string }
  /** Some controllers in v1 hierarchies, the others not: nothing that boxes can be limited with. */
  | { readonly version: "split"; readonly found: readonly string[] }
  | { readonly version: "none" };

interface Line {
  readonly controllers: readonly string[];
  readonly path: string;
}

function linesOf(host: Host): readonly Line[] {
  return (host.read("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return names === undefined || path === undefined
      ? []
      : [{ controllers: names.split(","), path }];
  });
}

/** In a container whose view is cut, the mount itself. */
function groupAt(host: Host, mount: Mount, path: string): string {
  const own = path === "/" || path.startsWith("/..") ? mount.place : `${mount.place}${path}`;
  return host.exists(own) ? own : mount.place;
}

export function placesOf(host: Host): Places {
  const mounts = mountsOf(host);
  const lines = linesOf(host);
  const unified = mounts.find(({ type }) => type === "cgroup2");
  const directories = new Map<string, string>();
  for (const controller of CONTROLLERS_V1) {
    const line = lines.find(({ controllers }) => controllers.includes(controller));
    const mount = mounts.find(
      ({ type, superOptions }) => type === "cgroup" && superOptions.includes(controller),
    );
    if (line !== undefined && mount !== undefined)
      directories.set(controller, groupAt(host, mount, line.path));
  }
  if (directories.size === CONTROLLERS_V1.length)
    return { version: 1, directories, hasV2: unified !== undefined };
  if (directories.size > 0) return { version: "split", found: [...directories.keys()] };
  const line = lines.find(({ controllers }) => controllers.includes(""));
  if (unified === undefined || line === undefined) return { version: "none" };
  return { version: 2, top: unified.place, own: groupAt(host, unified, line.path) };
}
