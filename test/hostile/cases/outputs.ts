/** What a job leaves to be collected and downloaded. */
import { type Case, checked, contained, type Ended, escaped, tell } from "../case.ts";
import { statusIn } from "../client.ts";
import { withBait } from "../host.ts";
import { destroyAt, runAt } from "../jobsAt.ts";
import { python } from "../programs.ts";

/** Neither among the outputs nor printed is what the bait holds. */
function leaks(ended: Ended, secret: string): string | undefined {
  for (const [path, bytes] of ended.files) if (bytes.includes(secret)) return path;
  return ended.stdout.includes(secret) ? "what it printed" : undefined;
}

/** Plants ways to a file of the host, whose content must not come out. */
function plants(code: string): Case["attack"] {
  return (arena) =>
    withBait(async (bait) => {
      const args = [bait.path, bait.directory];
      const ended = await arena.run(python(`path, folder = sys.argv[1:]\n${code}`, { args }));
      const leak = leaks(ended, bait.secret);
      if (leak !== undefined) return escaped(`the secret is in ${leak}`);
      return checked(contained(`${ended.files.size} outputs; ${tell(ended.outcome)}`), [
        bait.isIntact(),
        "the bait was changed",
      ]);
    });
}

export const OUTPUTS: readonly Case[] = [
  {
    id: "outputs/links",
    promise: "S13",
    tries: "plants links to a file of the host, straight and by roots and directories of processes",
    attack: plants(`
shapes = [path, "/proc/self/root" + path, "/proc/1/root" + path, "../" * 30 + path, "/proc/self/cwd/" + "../" * 30 + path, f"/proc/{os.getppid()}/root{path}"]
for number, shape in enumerate(shapes): os.symlink(shape, f"link{number}")
os.symlink("link0", "link-to-link")`),
  },
  {
    id: "outputs/linked-directory",
    promise: "S13",
    tries: "plants a link to a directory of the host",
    attack: plants(`
os.symlink(folder, "folder")
os.mkdir("a")
os.symlink("../folder", "a/b")`),
  },
  {
    id: "outputs/hard-links",
    promise: "S13",
    tries: "makes hard links to files of the host",
    attack: plants(`
for number, source in enumerate((path, "/etc/passwd", "/usr/bin/env", "/proc/self/environ")):
    try: os.link(source, f"hard{number}")
    except OSError: pass`),
  },
  {
    id: "outputs/swap",
    promise: "S13",
    tries: "leaves a process that swaps a directory for a link once the job has ended",
    attack: plants(`
import time
os.mkdir("data")
open("data/bait", "w").write("harmless")
parent = os.getpid()
if os.fork() == 0:
    os.setsid()
    while os.getppid() == parent: time.sleep(0.001)
    os.rename("data", "old")
    os.symlink(folder, "data")
    os._exit(0)`),
  },
  {
    id: "outputs/special",
    promise: "S13",
    unsafe: "the simple collector would wait for ever at the pipe",
    tries: "leaves pipes, sockets, devices and whiteouts for the collector to hang on",
    attack: async (arena) => {
      const code = `
import stat
os.mkfifo("pipe")
os.mkfifo("a.txt")
os.mknod("socket", 0o140666)
for name, major, minor in (("whiteout", 0, 0), ("null", 1, 3), ("zero", 1, 5)):
    try: os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    except OSError: pass
for number in range(3): os.symlink(f"/proc/self/fd/{number}", f"stream{number}")
os.symlink("/dev/zero", "endless")
open("real", "w").write("real")`;
      const { files } = await arena.run(python(code));
      return [...files.keys()].join() === "real"
        ? contained("only the real file came out")
        : escaped([...files.keys()].join(" "));
    },
  },
  {
    id: "outputs/deep",
    promise: "S13",
    unsafe: "the simple collector has no bound of depth to break",
    tries: "leaves two thousand levels of directories, and circles of links",
    attack: async (arena) => {
      const code = `
open("real", "w").write("real")
for _ in range(2000):
    os.mkdir("d")
    os.symlink("..", "up")
    os.chdir("d")`;
      const { outcome, files } = await arena.run(python(code));
      return files.get("real")?.toString() === "real"
        ? contained(tell(outcome))
        : escaped("the collector lost its way");
    },
  },
  {
    id: "outputs/names",
    promise: "S13",
    tries: "names an output so that its download would set headers of its choice",
    attack: async (arena) => {
      const service = await arena.service();
      const name = "x\r\nSet-Cookie: a=b\r\nX-Odd: \u001b[31m";
      const { id } = await runAt(
        service,
        `open(${JSON.stringify(name)}, "w").write("x")\nopen("fine", "w").write("x")`,
      );
      // As bytes: a client that parses them would refuse the very answer that is looked for.
      const path = `/download/${id}/${encodeURIComponent(name)}`;
      const head = await service.raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      const listed = await service.ask("GET", `/outputs/${id}`);
      await destroyAt(service, id);
      const isRaw = listed.body.includes(27) || listed.body.includes(13);
      return checked(
        contained(`${statusIn(head)}, and the list says ${listed.body.length} plain bytes`),
        [!/^set-cookie:/im.test(head), "it set a cookie"],
        [!isRaw, "control characters came out as they were"],
      );
    },
  },
  {
    id: "outputs/path",
    promise: "S13",
    tries: "downloads by paths that climb out, encoded once and twice",
    attack: (arena) =>
      withBait(async (bait) => {
        const service = await arena.service();
        const { id } = await runAt(service, 'open("fine", "w").write("x")');
        const up = "../".repeat(30);
        const paths = [bait.path, `${up}${bait.path}`, `.${bait.path}`, `fine/${up}${bait.path}`];
        const encoded = paths.flatMap((path) => [
          path,
          encodeURIComponent(path),
          path.replaceAll(".", "%2e"),
          encodeURIComponent(encodeURIComponent(path)),
        ]);
        for (const path of encoded) {
          const { body, status } = await service.ask("GET", `/download/${id}/${path}`);
          if (body.includes(bait.secret)) return escaped(`${path.slice(0, 40)} was sent`);
          if (status >= 500 && arena.isBox) return escaped(`${status} for ${path.slice(0, 40)}`);
        }
        await destroyAt(service, id);
        return contained(`not by ${encoded.length} shapes of its path`);
      }),
  },
  {
    id: "outputs/page",
    promise: "S13",
    tries: "has a page of its own shown under the service's address",
    attack: async (arena) => {
      const service = await arena.service();
      const page = "<script>alert(document.domain)</script>";
      const { id } = await runAt(
        service,
        `open("page.html", "w").write(${JSON.stringify(page)})\nprint(${JSON.stringify(page)})`,
      );
      const { headers } = await service.ask("GET", `/download/${id}/page.html`);
      await destroyAt(service, id);
      return checked(
        contained("it comes as a file, and no browser may take it for a page"),
        [/^attachment/.test(headers["content-disposition"] ?? ""), "it is shown, not saved"],
        [headers["x-content-type-options"] === "nosniff", "its kind may be guessed"],
        [/sandbox/.test(String(headers["content-security-policy"])), "scripts may run"],
      );
    },
  },
];
