/** What callers send in the load test, and how each of it has to end. */
const burn = (seconds: number) =>
  `import time\nwhile time.process_time() < ${seconds}: pass\nprint('burnt')`;
const BOMB =
  "import os, time\ncount = 0\ntry:\n  while count < 500:\n    if os.fork() == 0: time.sleep(30)\n    count += 1\n" +
  "except OSError: pass\nprint('forked', 0 < count <= 100)";
const EATS = "held = bytearray(200 << 20)\nprint('ate')";
const PRINTS = "import sys\nfor _ in range(16): sys.stdout.write('x' * 65536)";
const PRINTS_MORE = "import sys\nfor _ in range(144): sys.stdout.write('x' * 65536)";
const MAKES = "open('made', 'wb').write(bytes(3 << 20))\nprint('made')";

export interface Kind {
  readonly name: string;
  /** How many of a hundred jobs. */
  readonly share: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** `kind` and exit code of its outcome when nobody interferes. */
  readonly ends: string;
  /** Part of what it prints. */
  readonly prints?: string;
  /** What the caller does to it. */
  readonly fate?: "cancelled" | "hung up on" | "read slowly" | "left unread" | "downloaded";
}

const shell = (code: string) => ({ code, interpreter: "sh" });

export const KINDS: readonly Kind[] = [
  { name: "prints a word", share: 29, body: shell("echo word"), ends: "exited 0", prints: "word" },
  { name: "python", share: 10, body: { code: "print(6 * 7)" }, ends: "exited 0", prints: "42" },
  { name: "exits with 3", share: 6, body: shell("exit 3"), ends: "exited 3" },
  { name: "kills itself", share: 4, body: shell("kill -TERM $$"), ends: "signalled SIGTERM" },
  {
    name: "brings 2 MB",
    share: 6,
    body: { ...shell("wc -c < big"), files: { big: "x".repeat(2 << 20) } },
    ends: "exited 0",
    prints: "2097152",
  },
  { name: "prints 1 MB", share: 4, body: { code: PRINTS }, ends: "exited 0", fate: "read slowly" },
  {
    name: "prints 9 MB",
    share: 1,
    body: { code: PRINTS_MORE },
    ends: "exited 0",
    fate: "left unread",
  },
  { name: "makes 3 MB", share: 6, body: { code: MAKES }, ends: "exited 0", fate: "downloaded" },
  { name: "eats memory", share: 5, body: { code: EATS, memory_mb: 64 }, ends: "out_of_memory" },
  { name: "fork bomb", share: 3, body: { code: BOMB }, ends: "exited 0", prints: "forked True" },
  {
    name: "sleeps too long",
    share: 4,
    body: { ...shell("sleep 60"), timeout: 1 },
    ends: "timed_out",
  },
  { name: "burns too long", share: 1, body: { code: burn(3), cpu_seconds: 1 }, ends: "cpu_limit" },
  {
    name: "is cancelled",
    share: 12,
    body: shell("sleep 20"),
    ends: "cancelled",
    fate: "cancelled",
  },
  {
    name: "is hung up on",
    share: 9,
    body: shell("sleep 20"),
    ends: "cancelled",
    fate: "hung up on",
  },
];

/** The kinds in their shares, spread so that each caller meets all of them. */
export function kindOf(number: number): Kind {
  // 37 has no factor in common with 100: every hundred numbers meet every place once.
  let place = (number * 37) % 100;
  for (const kind of KINDS) {
    if (place < kind.share) return kind;
    place -= kind.share;
  }
  throw new Error("the shares do not make a hundred");
}
