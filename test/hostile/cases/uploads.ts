/** Archives and forms that want out, or want more than there is. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type FormPiece, type TarPiece, tar, tarGz, zip } from "../../archive/craft.ts";
import { type Case, checked, contained, escaped, type Verdict } from "../case.ts";
import type { ServiceAt } from "../client.ts";
import { type Bait, nonce, withBait } from "../host.ts";
import { codeOf, destroyAt, idOf, manifestPart, submit, untilEnded } from "../jobsAt.ts";
import { python } from "../programs.ts";

const MIB = 2 ** 20;

/** Looks at where the upload has come out. */
const LOOK = python(`
word, places, count, size = sys.argv[1], sys.argv[2:], 0, 0
import stat
for place in places:
    if os.path.lexists(f"{place}/{word}"): escaped(f"a file came out in {place}")
for folder, names, files in os.walk("."):
    for name in names + files:
        status = os.lstat(f"{folder}/{name}")
        count, size = count + 1, size + status.st_size
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode): escaped(f"{name!r} is a special file")
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1: escaped(f"{name!r} is linked to another")
if count > 1000 or size > 100 << 20: escaped(f"{count} files of {size} bytes came out")
contained(f"{count} files lie where they may")`).code;

/** An upload that should be refused; if not, its job looks what came of it. */
function upload(piecesOf: (bait: Bait, word: string) => readonly FormPiece[]): Case["attack"] {
  return (arena) =>
    withBait(async (bait) => {
      const word = nonce();
      try {
        const verdict = await sendAndLook(await arena.service(), word, bait, piecesOf(bait, word));
        return checked(verdict, [bait.isIntact(), "a file of the host was changed"]);
      } finally {
        // Where the simple service let it out.
        for (const place of ["/tmp", "/"])
          if (!arena.isBox) rmSync(join(place, word), { force: true });
      }
    });
}

async function sendAndLook(
  service: ServiceAt,
  word: string,
  bait: Bait,
  pieces: readonly FormPiece[],
): Promise<Verdict> {
  const args = [word, "/tmp", "..", "../..", "/", bait.directory];
  const manifest = manifestPart({ entrypoint: "main.py", interpreter: "python3", args });
  const answer = await submit(service, { fileName: "main.py", body: LOOK }, ...pieces, manifest);
  if (answer.status >= 500) return escaped(`the service broke: ${codeOf(answer)}`);
  if (answer.status !== 202) return contained(`refused: ${codeOf(answer)}`);
  const ended = await untilEnded(service, idOf(answer));
  await destroyAt(service, ended.id);
  return verdictIn(ended.stdout);
}

function verdictIn(text: string): Verdict {
  const [, kind, why = ""] = /^(contained|ESCAPED): (.*)$/m.exec(text) ?? [];
  return kind === "contained"
    ? contained(why)
    : escaped(kind === undefined ? "it ran, and broke" : why);
}

function tarball(...pieces: TarPiece[]): FormPiece {
  return { fileName: "more.tar.gz", body: tarGz(...pieces) };
}

const CLIMB = "../".repeat(8);

/** Each is sent alone; all must be refused, or do no harm. */
function eachOf(uploads: readonly (readonly [string, FormPiece])[]): Case["attack"] {
  return async (arena) => {
    for (const [name, piece] of uploads) {
      const verdict = await upload(() => [piece])(arena);
      if (verdict.kind !== "contained") return { ...verdict, why: `${name}: ${verdict.why}` };
    }
    return contained(`${uploads.length} were refused or did no harm`);
  };
}

const ODD_NAMES = [
  "a\0b",
  "a\nb",
  "a\u001b[31mb",
  "",
  ".",
  "..",
  "a//b",
  "a/./b",
  "a/../b",
  "/a",
  "a/",
  "x".repeat(300),
  `${"d/".repeat(40)}f`,
  "a\\..\\..\\b",
  "C:\\a",
  "\udcff",
  "a/\0/../../b",
];

export const UPLOADS: readonly Case[] = [
  {
    id: "uploads/tar-climb",
    promise: "S12",
    tries: "climbs out by dots in the names of a tar",
    attack: upload((bait, word) => [
      tarball({ name: `${CLIMB}tmp/${word}` }, { name: `${CLIMB}${bait.path}` }),
    ]),
  },
  {
    id: "uploads/tar-absolute",
    promise: "S12",
    tries: "writes to an absolute name of a tar, into a directory that is open to all",
    attack: upload((bait, word) => [
      tarball({ name: `${bait.directory}/${word}` }, { name: `/tmp/${word}` }),
    ]),
  },
  {
    id: "uploads/tar-link",
    promise: "S12",
    tries: "plants a link in a tar and writes through it",
    attack: upload((bait, word) => [
      tarball({ name: "out", type: "2", linkName: bait.directory }, { name: `out/${word}` }),
    ]),
  },
  {
    id: "uploads/tar-hard-link",
    promise: "S12",
    tries: "links to a file of the host in a tar and writes to the link",
    attack: upload((bait) => [
      tarball({ name: "bait", type: "1", linkName: bait.path }, { name: "bait", body: "changed" }),
    ]),
  },
  {
    id: "uploads/tar-devices",
    promise: "S12",
    tries: "brings pipes and devices in a tar",
    attack: upload(() => [tarball({ name: "pipe", type: "6" }, { name: "device", type: "3" })]),
  },
  {
    id: "uploads/zip-climb",
    promise: "S12",
    tries: "climbs out of a zip by dots, by an absolute name and by backslashes",
    attack: upload((bait, word) => [
      {
        fileName: "more.zip",
        body: zip([
          { name: `${bait.directory}/${word}` },
          { name: `${CLIMB}tmp/${word}` },
          { name: `..\\..\\..\\${word}` },
        ]),
      },
    ]),
  },
  {
    id: "uploads/zip-link",
    promise: "S12",
    tries: "plants a link in a zip and writes through it",
    attack: upload((bait, word) => [
      {
        fileName: "more.zip",
        body: zip([{ name: "out", body: bait.directory, mode: 0o120777 }, { name: `out/${word}` }]),
      },
    ]),
  },
  {
    id: "uploads/form-names",
    promise: "S12",
    tries: "names a part of a form by an absolute path and by a path that climbs",
    attack: upload((bait, word) => [
      { fileName: `${bait.directory}/${word}`, body: "x" },
      { fileName: `../../${word}`, body: "x" },
    ]),
  },
  {
    id: "uploads/gzip-bomb",
    promise: "S12",
    tries: "brings 150 MB of nothing in a few kilobytes",
    attack: upload(() => [
      {
        fileName: "more.tar.gz",
        body: gzipSync(tar({ name: "zeros", body: Buffer.alloc(150 * MIB) }), { level: 1 }),
      },
    ]),
  },
  {
    id: "uploads/zip-overlap",
    promise: "S12",
    tries: "brings the same bytes of a zip under 150 names",
    attack: upload(() => {
      const one = { body: Buffer.alloc(MIB), offset: 0 };
      const pieces = Array.from({ length: 150 }, (_, index) => ({
        ...one,
        name: `${index}`.padStart(4, "0"),
        localName: "0000",
      }));
      return [{ fileName: "more.zip", body: zip(pieces) }];
    }),
  },
  {
    id: "uploads/zip-lie",
    promise: "S12",
    tries: "says ten bytes in a zip and brings 120 MB",
    attack: upload(() => [
      {
        fileName: "more.zip",
        body: zip([{ name: "small", body: Buffer.alloc(120 * MIB), size: 10 }]),
      },
    ]),
  },
  {
    id: "uploads/count",
    promise: "S12",
    tries: "brings more files than a job may have, each empty",
    attack: upload(() => [
      tarball(...Array.from({ length: 1500 }, (_, index) => ({ name: `${index}` }))),
    ]),
  },
  {
    id: "uploads/duplicates",
    promise: "S12",
    tries: "brings two files of one name, of which one is looked at and the other one runs",
    attack: upload(() => [{ fileName: "main.py", body: "print('ESCAPED: the second one ran')" }]),
  },
  {
    id: "uploads/sizes",
    promise: "S12",
    tries: "tells sizes that are negative, beyond numbers or longer than what comes",
    attack: eachOf(
      [
        "77777777777",
        "-0000000001",
        Buffer.from("ff".repeat(12), "hex"),
        Buffer.from(`80${"7f".repeat(11)}`, "hex"),
        "00000100000",
        "9x9x9x9x9x9",
      ].map((size) => [`${size}`, tarball({ name: "lie", size, body: "short" })] as const),
    ),
  },
  {
    id: "uploads/odd-names",
    promise: "S12",
    tries: "names files by control characters, dots, empty words, 300 letters, 40 levels",
    attack: eachOf([
      ...ODD_NAMES.map(
        (name) => [JSON.stringify(name), { fileName: "more.zip", body: zip([{ name }]) }] as const,
      ),
      ...ODD_NAMES.map(
        (name) =>
          [
            `form ${JSON.stringify(name)}`,
            { fileName: name.replaceAll(/["\n]/g, ""), body: "x" },
          ] as const,
      ),
    ]),
  },
  {
    id: "uploads/file-and-directory",
    promise: "S12",
    tries: "brings a file, and another one below it",
    attack: upload(() => [tarball({ name: "a", body: "x" }, { name: "a/b", body: "y" })]),
  },
  {
    id: "uploads/entrypoint",
    promise: "S12",
    tries: "names as its entrypoint a file of the system, or one outside of its upload",
    attack: async (arena) => {
      const service = await arena.service();
      for (const entrypoint of [
        "/etc/hostname",
        "../../../../etc/hostname",
        "/proc/self/environ",
        "-c",
        "a\0b",
        ".",
      ]) {
        const answer = await submit(
          service,
          { fileName: "main.py", body: "" },
          manifestPart({ entrypoint, interpreter: "python3" }),
        );
        if (answer.status !== 400)
          return escaped(`${JSON.stringify(entrypoint)}: ${codeOf(answer)}`);
      }
      return contained("each was refused");
    },
  },
];
