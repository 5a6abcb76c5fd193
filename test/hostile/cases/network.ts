/** Ways to talk to anybody: sockets of every family, and roads that need none. */
import { type Case, checked, says, verdictOf } from "../case.ts";
import { nonce, withBait, withEar, withProgram } from "../host.ts";
import { bash, c, node, python } from "../programs.ts";

export const NETWORK: readonly Case[] = [
  {
    id: "network/families",
    promise: "S3",
    tries: "makes sockets of the families 0 to 45 and of every type",
    attack: says(
      c(`
int main(void) {
  char made[200] = "";
  int count = 0;
  for (int family = 0; family <= 45; family++)
    for (int type = 1; type <= 10; type++) {
      int fd = socket(family, type, 0);
      if (fd == -1 && type == SOCK_RAW) fd = socket(family, type, 255);
      if (fd == -1) continue;
      close(fd);
      if (count++ < 20) snprintf(made + strlen(made), sizeof made - strlen(made), " %d/%d", family, type);
    }
  if (count > 0) escaped("%d sockets, family/type:%s", count, made);
  contained("not one in 460 tries");
}`),
    ),
  },
  {
    id: "network/loopback",
    promise: "S3",
    tries: "connects from Python to a port of the host's loopback",
    attack: (arena) =>
      withEar(0, async (ear) => {
        const code = `
import socket
def reach(host):
    with socket.create_connection((host, int(sys.argv[1])), 3) as to: return to.recv(10).decode()
judge([(host, lambda host=host: reach(host)) for host in ("127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1")])`;
        const ended = await arena.run(python(code, { args: [`${ear.port}`] }));
        return checked(verdictOf(ended), [ear.heard() === 0, "the host heard it"]);
      }),
  },
  {
    id: "network/shell",
    promise: "S3",
    tries: "connects by the shell's own /dev/tcp",
    attack: (arena) =>
      withEar(0, async (ear) => {
        const code = `
for host in 127.0.0.1 localhost; do
  if read -r -t 3 said <"/dev/tcp/$host/$1"; then escaped "$host said $said"; fi
done 2>/dev/null
contained "no answer"`;
        const ended = await arena.run(bash(code, { args: [`${ear.port}`] }));
        return checked(verdictOf(ended), [ear.heard() === 0, "the host heard it"]);
      }),
  },
  {
    id: "network/fetch",
    promise: "S3",
    tries: "fetches and connects from Node, and listens",
    attack: (arena) =>
      withEar(0, async (ear) => {
        const code = `
const net = require("node:net");
const port = Number(process.argv[2]);
const refused = [];
const attempt = (name, socket, event) => new Promise((resolve) => {
  socket.once(event, () => escaped(name)).once("error", (error) => resolve(refused.push(error.code)));
});
(async () => {
  await attempt("connect", net.connect(port, "127.0.0.1"), "connect");
  await attempt("listen", net.createServer().listen(0, "127.0.0.1"), "listening");
  await attempt("datagram", require("node:dgram").createSocket("udp4").bind(0, "127.0.0.1"), "listening");
  await fetch("http://127.0.0.1:" + port).then(() => escaped("fetch"), (error) => refused.push(error.cause.code));
  contained(refused.join(" "));
})();`;
        const ended = await arena.run(node(code, { args: [`${ear.port}`] }));
        return checked(verdictOf(ended), [ear.heard() === 0, "the host heard it"]);
      }),
  },
  {
    id: "network/abstract",
    promise: "S3",
    tries: "connects to a Unix socket of the host that has no file",
    attack: (arena) => {
      const name = nonce();
      return withEar(`\0${name}`, async (ear) => {
        const code = `
import socket
def reach():
    with socket.socket(socket.AF_UNIX) as to:
        to.connect("\\0" + sys.argv[1])
        return to.recv(10).decode()
judge([("abstract", reach)])`;
        const ended = await arena.run(python(code, { args: [name] }));
        return checked(verdictOf(ended), [ear.heard() === 0, "the host heard it"]);
      });
    },
  },
  {
    id: "network/unix-path",
    promise: "S3",
    tries: "connects to Unix sockets of the host by their files",
    attack: (arena) =>
      withBait((bait) =>
        withEar(`${bait.directory}/ear`, async (ear) => {
          const code = `
import socket
def reach(path):
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(path)
        return True
judge([(path, lambda path=path: reach(path)) for path in
    (sys.argv[1], "/proc/1/root" + sys.argv[1], "/run/systemd/private", "/var/run/docker.sock", "/run/dbus/system_bus_socket")])`;
          const ended = await arena.run(python(code, { args: [`${bait.directory}/ear`] }));
          return checked(verdictOf(ended), [ear.heard() === 0, "the host heard it"]);
        }),
      ),
  },
  {
    id: "network/pair-address",
    promise: "S3",
    tries: "sends from one end of a pair, which needs no bind and no connect, to names outside",
    attack: (arena) => {
      const name = nonce();
      // Node has no datagrams of this family: a program of the host listens.
      const listen = python(`
import select, socket
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind("\\0" + sys.argv[1])
print("ready", flush=True)
ear.setblocking(False)
select.select([ear], [], [], 600)`).code;
      const send = python(
        `
import socket
pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
names = ("\\0" + sys.argv[1], "/run/systemd/journal/socket", "/dev/log", "/run/systemd/notify")
judge([(repr(name), lambda name=name: pair[0].sendto(b"hello", name)) for name in names] +
    [(f"sendmsg {name!r}", lambda name=name: pair[0].sendmsg([b"hello"], [], 0, name)) for name in names])`,
        { args: [name] },
      );
      return withProgram(listen, name, async () => verdictOf(await arena.run(send)));
    },
  },
  {
    id: "network/pairs",
    promise: "S3",
    tries: "makes pairs of sockets of other families, and asks a pair for the host's interfaces",
    attack: says(
      python(`
import fcntl, socket, struct
def pair(family, kind):
    ends = (ctypes.c_int * 2)()
    call(53, family, kind, 0, ends)
    return ends[0]
end = socket.socketpair()[0]
def ask(request, what):
    got = fcntl.ioctl(end, request, what)
    return got[:16].rstrip(b"\\0").decode("latin1") or None
name = lambda index: ask(0x8910, struct.pack("16si20x", b"", index))
judge([(f"pair {family}/{kind}", lambda family=family, kind=kind: pair(family, kind)) for family in range(2, 46) for kind in (1, 2, 5)]
    + [(f"interface {index}", lambda index=index: name(index)) for index in range(1, 20)]
    + [("address", lambda: ask(0x8915, struct.pack("16s24x", b"lo")))])`),
    ),
  },
  {
    id: "network/netlink",
    promise: "S3",
    tries: "asks the kernel by netlink for its interfaces, and raises loopback",
    attack: says(
      python(`
import socket, struct
def dump(protocol, kind):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as kernel:
        kernel.send(struct.pack("<IHHII", 17, kind, 0x301, 1, 0) + b"\\0")
        kernel.settimeout(3)
        return len(kernel.recv(65536))
judge([("links", lambda: dump(0, 18)), ("addresses", lambda: dump(0, 22)), ("routes", lambda: dump(0, 26)),
    ("sockets", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4).fileno()), ("audit", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9).fileno()),
    ("events", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).fileno())])`),
    ),
  },
  {
    id: "network/raw",
    promise: "S3",
    asRoot: true,
    tries: "opens raw and packet sockets, a tunnel and vsock",
    attack: says(
      python(`
import socket
judge([("packet", lambda: socket.socket(17, socket.SOCK_RAW, 0x0300).fileno()), ("raw", lambda: socket.socket(2, socket.SOCK_RAW, 1).fileno()),
    ("raw 6", lambda: socket.socket(10, socket.SOCK_RAW, 58).fileno()), ("vsock", lambda: socket.socket(40, socket.SOCK_STREAM).fileno()),
    ("alg", lambda: socket.socket(38, socket.SOCK_SEQPACKET).fileno()), ("tunnel", lambda: os.open("/dev/net/tun", os.O_RDWR)),
    ("xdp", lambda: socket.socket(44, socket.SOCK_RAW).fileno()), ("bluetooth", lambda: socket.socket(31, socket.SOCK_RAW, 1).fileno())])`),
    ),
  },
  {
    id: "network/uring",
    promise: "S3",
    mayLack: true,
    tries: "sets up io_uring, whose threads would make sockets past the filter",
    attack: says(
      python(`judge([("io_uring_setup", lambda: call(425, 8, (ctypes.c_char * 120)())),
    ("io_setup", lambda: call(206, 8, ctypes.byref(ctypes.c_ulong())) + 1)])`),
    ),
  },
  {
    id: "network/tables",
    promise: "S3",
    tries: "reads the host's connections, neighbours and routes in /proc/net",
    attack: says(
      python(`
def rows(name): return len([line for line in list(open("/proc/net/" + name))[1:] if " lo" not in line and not line.startswith("    lo")]) or None
judge([(name, lambda name=name: rows(name)) for name in ("tcp", "tcp6", "udp", "unix", "arp", "route", "packet", "fib_trie", "dev_mcast", "if_inet6")])`),
    ),
  },
  {
    id: "network/names",
    promise: "S3",
    tries: "resolves a name by the host's resolver files and by a datagram to a server",
    attack: (arena) =>
      withEar(0, async (ear) => {
        const code = `
import socket
def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to: return to.sendto(b"?", ("127.0.0.1", int(sys.argv[1])))
judge([("datagram", datagram), ("resolver", lambda: len(open("/etc/resolv.conf").read()) or None)])`;
        return verdictOf(await arena.run(python(code, { args: [`${ear.port}`] })));
      }),
  },
];
