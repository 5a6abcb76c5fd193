import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  findLanguage,
  LANGUAGES,
  type Language,
  languageOfFile,
} from "../../src/core/languages.ts";

function known(name: string): Language {
  return findLanguage(name) ?? assert.fail(`no language ${name}`);
}

test("finds every language by its name and its aliases, in any case", () => {
  for (const { name, aliases } of LANGUAGES) {
    assert.equal(findLanguage(name)?.name, name);
    assert.equal(findLanguage(name.toUpperCase())?.name, name);
    for (const alias of aliases) assert.equal(findLanguage(alias)?.name, name);
  }
  assert.equal(findLanguage("javascript")?.name, "node");
  assert.equal(findLanguage("R")?.name, "Rscript");
  assert.equal(findLanguage("C")?.name, "gcc");
  assert.equal(findLanguage("C++")?.name, "g++");
});

test("no name, alias or ending means two languages", () => {
  const names = LANGUAGES.flatMap(({ name, aliases }) => [name, ...aliases]);
  const endings = LANGUAGES.flatMap(({ extensions }) => extensions);
  assert.equal(new Set(names.map((name) => name.toLowerCase())).size, names.length);
  assert.equal(new Set(endings).size, endings.length);
});

test("finds nothing that is not there", () => {
  for (const name of ["", "cobol", "__proto__", "constructor", "toString", "../bash"]) {
    assert.equal(findLanguage(name), undefined);
  }
  assert.equal(findLanguage("ruby", ["bash"]), undefined);
  assert.equal(findLanguage("python", ["python3"])?.name, "python3");
});

test("tells the language by the ending, then by the #! line", () => {
  const cases: readonly (readonly [string, string, string | undefined])[] = [
    ["a/b.py", "", "python3"],
    ["main.TS", "", "node"],
    ["x.cpp", "", "g++"],
    ["x.py", "#!/bin/bash", "python3"],
    ["script", "#!/bin/bash", "bash"],
    ["script", "#! /usr/bin/env python3.11 -u", "python3"],
    ["script", "#!/usr/bin/env -S FOO=1 node --no-warnings", "node"],
    ["script", "#!/usr/bin/perl5.36 -w", "perl"],
    ["script", "#!/usr/bin/python2.7", undefined],
    ["script", "#!", undefined],
    ["script", "#!/usr/bin/env", undefined],
    ["script", "echo hi", undefined],
    [".py", "", undefined],
    ["py", "", undefined],
    ["x.py/y", "", undefined],
  ];
  for (const [path, firstLine, expected] of cases) {
    assert.equal(languageOfFile(path, firstLine)?.name, expected, `${path} ${firstLine}`);
  }
  assert.equal(languageOfFile("a.rb", "#!/bin/sh", ["sh"])?.name, "sh");
});

test("reads the version out of what real programs print", () => {
  const cases: readonly (readonly [string, string, string | undefined])[] = [
    ["python3", "Python 3.11.2\n", "3.11.2"],
    ["node", "v24.21.0\n", "24.21.0"],
    ["bash", "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)", "5.2.15"],
    ["sh", "POSIX\n", "POSIX"],
    ["sh", "5.2.15(1)-release\n", "5.2.15"],
    ["ruby", "ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]", "3.1.2"],
    ["perl", "\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for x86", "5.36.0"],
    ["php", "PHP 8.2.7 (cli) (built: Jun  9 2023 19:37:27) (NTS)", "8.2.7"],
    ["lua", "Lua 5.4.4  Copyright (C) 1994-2022 Lua.org, PUC-Rio", "5.4.4"],
    ["Rscript", "Rscript (R) version 4.2.2 (2022-10-31)", "4.2.2"],
    ["go", "go version go1.19.8 linux/amd64", "1.19.8"],
    ["gcc", "12.2.0\n", "12.2.0"],
    ["rustc", "rustc 1.63.0", "1.63.0"],
    ["java", "openjdk 17.0.8 2023-07-18\nOpenJDK Runtime", "17.0.8"],
    ["java", "openjdk 21 2023-09-19", "21"],
    ["python3", "command not found", undefined],
    ["python3", "x".repeat(2000).concat("3.11.2"), undefined],
  ];
  for (const [name, printed, version] of cases) {
    assert.equal(known(name).version(printed), version, printed.slice(0, 40));
  }
});

test("an entrypoint that begins with a dash never becomes an option", () => {
  for (const { name, command } of LANGUAGES) {
    const argv = command("-c", ["-v", "a b"], 512);
    assert.equal(argv.includes("./-c"), true, `${name}: ${argv.join(" ")}`);
    assert.deepEqual(argv.slice(-2), ["-v", "a b"]);
    assert.deepEqual(argv.slice(argv.indexOf("./-c")), ["./-c", "-v", "a b"]);
  }
});

/** Runs a command as a box would, in a folder of its own. */
function runIn(folder: string, argv: readonly string[]) {
  const [program = "", ...args] = argv;
  return spawnSync(program, args, { cwd: folder, encoding: "utf8" });
}

/** For languages that every machine here has. */
function inFolder(files: Readonly<Record<string, string>>, check: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "sandrun-languages-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    check(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const NASTY = ["$(touch pwned)", "'; touch pwned; '", "--help", "a b", ""];

test("a compiled program gets its arguments untouched and gives its own exit status", () => {
  const source =
    '#include <stdio.h>\nint main(int c, char **v) { for (int i = 1; i < c; i++) printf("<%s>", v[i]); return 7; }';
  inFolder({ "-a $(touch pwned).c": source }, (folder) => {
    const ran = runIn(folder, known("gcc").command("-a $(touch pwned).c", NASTY, 512));
    assert.equal(ran.stdout, NASTY.map((argument) => `<${argument}>`).join(""));
    assert.equal(ran.status, 7);
    assert.equal(runIn(folder, ["ls", "-A"]).stdout.trim(), "-a $(touch pwned).c");
  });
});

test("a failed compilation ends with the compiler's status and runs nothing", () => {
  inFolder({ "a.c": "int main( {", "b.cpp": "#error no" }, (folder) => {
    for (const [name, file] of [
      ["gcc", "a.c"],
      ["g++", "b.cpp"],
    ] as const) {
      const ran = runIn(folder, known(name).command(file, [], 512));
      assert.equal(ran.status, 1);
      assert.match(ran.stderr, /error/);
    }
  });
});

test("C is compiled as C whatever the file is called", () => {
  inFolder({ code: "int main(void) { return 3; }" }, (folder) => {
    assert.equal(runIn(folder, known("c").command("code", [], 512)).status, 3);
  });
});

test("shells and scripts get their arguments untouched", () => {
  inFolder({ "-x.sh": 'printf "<%s>" "$@"' }, (folder) => {
    for (const name of ["sh", "bash"]) {
      const ran = runIn(folder, known(name).command("-x.sh", NASTY, 512));
      assert.equal(ran.stdout, NASTY.map((argument) => `<${argument}>`).join(""));
    }
  });
});
