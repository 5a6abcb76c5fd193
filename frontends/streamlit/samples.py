"""What the editor starts with for each language, and the language's name for a person."""

from __future__ import annotations

NAMES = {
    "python3": "Python",
    "node": "JavaScript",
    "deno": "Deno",
    "bun": "Bun",
    "bash": "Bash",
    "sh": "Shell",
    "ruby": "Ruby",
    "perl": "Perl",
    "php": "PHP",
    "lua": "Lua",
    "Rscript": "R",
    "go": "Go",
    "gcc": "C",
    "g++": "C++",
    "rustc": "Rust",
    "java": "Java",
    "wasm": "WebAssembly",
}

_PYTHON = '''\
import csv, math, time

points = [(x, math.sin(x / 8) * math.exp(-x / 70)) for x in range(141)]

with open("wave.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["x", "y"])
    table.writerows((x, round(y, 4)) for x, y in points)

line = " ".join(f"{x * 5},{150 - 120 * y:.1f}" for x, y in points)
with open("wave.svg", "w") as file:
    file.write(f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="-20 0 740 280">
<rect x="-20" width="740" height="280" rx="12" fill="#fff7ed"/>
<path d="M0 150H700" stroke="#e3cfb5" stroke-dasharray="4 4"/>
<polyline points="{line}" fill="none" stroke="#b45309" stroke-width="3"
  stroke-linejoin="round"/></svg>""")

for step in range(1, 6):
    print(f"step {step} of 5")
    time.sleep(0.3)
print("A table and a picture are below.")
'''

_C = """\
#include <stdio.h>

int main(void)
{
    for (int n = 1; n <= 10; n++)
        printf("%2d squared is %3d\\n", n, n * n);
    return 0;
}
"""

SAMPLES = {
    "python3": _PYTHON,
    "node": 'const words = ["run", "code", "forget", "it"];\nconsole.log(words.join(" "));\n',
    "bash": 'for n in 1 2 3; do\n  echo "step $n"\n  sleep 0.3\ndone\n',
    "sh": 'echo "Here is $(pwd)"\nps aux\n',
    "ruby": "puts (1..5).map { |n| n ** 2 }.inspect\n",
    "perl": 'printf "%d squared is %d\\n", $_, $_ ** 2 for 1 .. 5;\n',
    "gcc": _C,
    "g++": '#include <iostream>\n\nint main() { std::cout << "Hello from C++\\n"; }\n',
    "java": "class Main {\n  public static void main(String[] args) {\n"
    '    System.out.println("Hello from Java");\n  }\n}\n',
}
