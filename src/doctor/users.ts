/** What keeps user namespaces from some users: settings of distributions, and ids. */
import { type Host, readNumber } from "./host.ts";
import { asRoot, install, setSysctl, sysctlPath, word } from "./mends.ts";
import { type Check, error, fine, hint, type Verdict } from "./verdict.ts";

/** Debian's own switch. It also stops root, whose boxes are made inside a user namespace. */
function lookAtDebianSwitch(host: Host): Verdict | undefined {
  const key = "kernel.unprivileged_userns_clone";
  const value = readNumber(host, sysctlPath(key));
  if (value === undefined) return undefined;
  if (value !== 0) return fine(`${key} is ${value}`);
  return error(`${key} is 0: no box can be made inside a user namespace`, setSysctl(host, key, 1));
}

/**
 * Ubuntu's rule (since 23.10): a program without an AppArmor profile of its own gets a user namespace
 * in which it may do nothing. A profile that allows just that, for our program only, mends it.
 */
function lookAtAppArmorRule(host: Host): Verdict | undefined {
  const key = "kernel.apparmor_restrict_unprivileged_userns";
  const value = readNumber(host, sysctlPath(key));
  if (value === undefined) return undefined;
  if (value === 0) return fine(`${key} is 0`);
  if (host.uid === 0)
    return hint(`${key} is ${value}: made for ordinary users; whether it stops root shows below`);
  const rules = [
    "abi <abi/4.0>,",
    "include <tunables/global>",
    `profile sandrun "${host.native}" flags=(unconfined) {`,
    "  userns,",
    "}",
  ];
  const file = "/etc/apparmor.d/sandrun";
  const write = `printf '%s\\n' ${rules.map(word).join(" ")} | ${asRoot(host, `tee ${file}`)}`;
  return error(
    `${key} is ${value}: programs without a profile may do nothing in a user namespace`,
    {
      advice: "This profile is for sandrun alone:",
      commands: [`${write} && ${asRoot(host, `apparmor_parser -r ${file}`)}`],
    },
  );
}

/** The warden's own block of ids (native/warden.h): RESERVED_IDS, RANGES * IDS_PER_RANGE. */
const RESERVED = { first: 0x70000000, count: 64 * 8192 } as const;
/** Fewer ids than this are no range for the warden (native/range.c). */
const RANGE_LEAST = 1024;

interface IdRange {
  readonly name: string;
  readonly first: number;
  readonly count: number;
}

function subordinate(host: Host, path: string): readonly IdRange[] {
  return (host.read(path) ?? "").split("\n").flatMap((line) => {
    const [, name = "", first, count] = /^([^:]+):(\d+):(\d+)/.exec(line) ?? [];
    return first === undefined ? [] : [{ name, first: Number(first), count: Number(count) }];
  });
}

function overlaps(a: Omit<IdRange, "name">, b: Omit<IdRange, "name">): boolean {
  return a.first < b.first + b.count && b.first < a.first + a.count;
}

/** The first free range as adduser would take it, beside those of all users. */
function freeRange(taken: readonly IdRange[]): string {
  const count = 65_536;
  let first = 100_000;
  for (;;) {
    const candidate = { first, count };
    const other = taken.find((range) => overlaps(range, candidate));
    if (other === undefined) return `${first}-${first + count - 1}`;
    first = other.first + Math.max(other.count, 1);
  }
}

const FILES = ["/etc/subuid", "/etc/subgid"] as const;

function lookAtReservedBlock(host: Host): Verdict {
  const last = RESERVED.first + RESERVED.count - 1;
  for (const path of FILES) {
    const taken = subordinate(host, path).find((range) => overlaps(range, RESERVED));
    if (taken !== undefined)
      return error(
        `${path} gives ${taken.name} ids of the block that boxes use (${RESERVED.first} to ${last})`,
        { advice: `Give ${taken.name} another range; files that belong to the old one keep it.` },
      );
  }
  return fine(`boxes use ${RESERVED.first} to ${last}; nobody else has them`);
}

function lookAtOwnRange(host: Host): Verdict {
  const name = host.userName;
  if (name === undefined)
    return error(`this user (${host.uid}) has no line in /etc/passwd, by which ranges are found`, {
      advice: "Run it as a local user, or as root.",
    });
  const ranges = FILES.map((path) => subordinate(host, path));
  const [uids, gids] = ranges.map((all) => all.find((range) => range.name === name));
  if (uids === undefined && gids === undefined) {
    const free = freeRange(ranges.flat());
    const command = `usermod --add-subuids ${free} --add-subgids ${free} ${word(name)}`;
    const mend = { commands: [asRoot(host, command)] };
    return error(`no range for ${name} in /etc/subuid and /etc/subgid`, mend);
  }
  if (uids === undefined || gids === undefined) return mendHalf(host, name, uids ?? gids);
  if (uids.first !== gids.first || uids.count !== gids.count)
    return error(`/etc/subuid and /etc/subgid give ${name} different ranges`, {
      advice: "Make both lines alike, as root, in an editor.",
    });
  if (uids.count < RANGE_LEAST)
    return error(`the range of ${name} has ${uids.count} ids; ${RANGE_LEAST} are needed`, {
      advice: "Make the lines in /etc/subuid and /etc/subgid larger, as root, in an editor.",
    });
  return fine(`${name} has ${uids.count} from ${uids.first}`);
}

/** One file has a range and the other has none: give it the same. */
function mendHalf(host: Host, name: string, range: IdRange | undefined): Verdict {
  const hasUids = subordinate(host, FILES[0]).some((other) => other.name === name);
  const missing = hasUids ? "/etc/subgid" : "/etc/subuid";
  const option = hasUids ? "--add-subgids" : "--add-subuids";
  const { first, count } = range ?? { first: 0, count: 0 };
  const isFree = !subordinate(host, missing).some((other) => overlaps(other, { first, count }));
  const command = `usermod ${option} ${first}-${first + count - 1} ${word(name)}`;
  return error(`no range for ${name} in ${missing}`, {
    ...(isFree
      ? { commands: [asRoot(host, command)] }
      : { advice: `Others have ${first} to ${first + count - 1} there: choose a range by hand.` }),
  });
}

function lookAtRange(host: Host): Verdict {
  return host.uid === 0 ? lookAtReservedBlock(host) : lookAtOwnRange(host);
}

/** Root of a container may have few ids of its own: then the block cannot be given to boxes. */
function lookAtOwnMap(host: Host): Verdict | undefined {
  if (host.uid !== 0) return undefined;
  for (const file of ["uid_map", "gid_map"]) {
    const lines = (host.read(`/proc/self/${file}`) ?? "").trim().split("\n");
    const isMapped = lines.some((line) => {
      const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
      return first <= RESERVED.first && first + count >= RESERVED.first + RESERVED.count;
    });
    if (!isMapped)
      return error(
        `root here is not root of the machine: /proc/self/${file} lacks the ids of boxes`,
        {
          advice:
            "Run it as an ordinary user with a range in /etc/subuid, or in a container without a user namespace of its own.",
        },
      );
  }
  return fine("all ids of the machine");
}

/** They write the maps of a user's namespaces; they need rights of their own (setuid). */
function lookAtMapHelpers(host: Host): Verdict | undefined {
  if (host.uid === 0) return undefined;
  const missing = ["newuidmap", "newgidmap"].filter((name) => host.find(name) === undefined);
  if (missing.length === 0) return fine("newuidmap, newgidmap");
  return error(`not found: ${missing.join(", ")}`, install(host, "newuidmap"));
}

/** What SECURITY.md does not promise to boxes of an ordinary user. */
function lookAtDevices(host: Host): Verdict | undefined {
  if (host.uid === 0) return undefined;
  return hint(
    "boxes have the machine's /dev/null and the like, since only root can make others: jobs can see each other open and lock them",
    { advice: "To run jobs of people who do not trust each other, run the service as root." },
  );
}

export const USER_CHECKS: readonly Check[] = [
  { id: "users.debian", title: "Debian's switch", look: lookAtDebianSwitch },
  { id: "users.apparmor", title: "AppArmor's rule", look: lookAtAppArmorRule },
  { id: "users.ids", title: "ids for boxes", look: lookAtRange },
  { id: "users.map", title: "own ids", look: lookAtOwnMap },
  { id: "users.helpers", title: "map helpers", look: lookAtMapHelpers },
  { id: "users.devices", title: "devices", look: lookAtDevices },
];
