/** Programs to start from; each runs on a server that has its interpreter. */
import type { Draft } from "./draft.ts";

export interface Example {
  readonly title: string;
  readonly draft: Draft & { readonly interpreter: string };
}

export const EXAMPLES: readonly Example[] = [
  {
    title: "Hello from the box (Python)",
    draft: {
      interpreter: "python3",
      code: `import os, platform, socket

print(f"Hello from Python {platform.python_version()} in a box.")
print("Here is", os.getcwd(), "and these processes:", [p for p in os.listdir("/proc") if p.isdigit()])

try:
    socket.socket()
except OSError as error:
    print("The network:", error.strerror)
`,
    },
  },
  {
    title: "Output as it happens, in colour (Bash)",
    draft: {
      interpreter: "bash",
      code: `for i in $(seq 1 10); do
  printf '\\e[%dm■\\e[0m step %d of 10\\n' $((31 + i % 6)) "$i"
  sleep 0.4
done
printf '\\e[1;32mdone\\e[0m\\n'
echo 'and this went to stderr' >&2
`,
    },
  },
  {
    title: "Draw a chart, write a table (Python)",
    draft: {
      interpreter: "python3",
      code: `import csv, math

points = [(x, math.sin(x / 8) * math.exp(-x / 60)) for x in range(121)]

with open("wave.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["x", "y"])
    table.writerows((x, round(y, 4)) for x, y in points)

path = " ".join(f"{x * 5},{120 - y * 100:.1f}" for x, y in points)
with open("wave.svg", "w") as file:
    file.write(f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 620 240">
<rect x="-10" width="620" height="240" fill="#fff7ed"/>
<path d="M0 120H600" stroke="#d6c3ad"/>
<polyline points="{path}" fill="none" stroke="#b45309" stroke-width="3"/>
</svg>''')

print("wave.csv and wave.svg are below")
`,
    },
  },
  {
    title: "Ask the person (Python)",
    draft: {
      interpreter: "python3",
      code: `import random

secret = random.randint(1, 100)
tries = 0
while True:
    guess = int(input("A number from 1 to 100? "))
    tries += 1
    if guess == secret:
        print(f"\\033[1;32mYes, after {tries}.\\033[0m")
        break
    print("higher" if guess < secret else "lower")
`,
    },
  },
  {
    title: "Count words of the input (Node)",
    draft: {
      interpreter: "node",
      input: "the quick brown fox jumps over the lazy dog and the cat\n",
      code: `const counts = new Map();
for await (const chunk of process.stdin)
  for (const word of String(chunk).toLowerCase().match(/\\p{L}+/gu) ?? [])
    counts.set(word, (counts.get(word) ?? 0) + 1);

console.table([...counts].sort((a, b) => b[1] - a[1]).map(([word, count]) => ({ word, count })));
`,
    },
  },
  {
    title: "Primes, compiled (C)",
    draft: {
      interpreter: "gcc",
      args: "1000000",
      code: `#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    int most = argc > 1 ? atoi(argv[1]) : 100, count = 0;
    char *composite = calloc(most + 1, 1);
    for (int n = 2; n <= most; n++) {
        if (composite[n]) continue;
        count++;
        for (long m = (long)n * n; m <= most; m += n) composite[m] = 1;
    }
    printf("%d primes up to %d\\n", count, most);
}
`,
    },
  },
  {
    title: "Meet a limit: memory (Python)",
    draft: {
      interpreter: "python3",
      memory: "64",
      code: `blocks = []
while True:
    blocks.append(bytearray(8 * 1024 * 1024))
    print(len(blocks) * 8, "MB")
`,
    },
  },
];
