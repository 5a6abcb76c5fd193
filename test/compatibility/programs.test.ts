/** Ordinary programs do the same in a box as outside: each prints what it found, on both sides. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { say, useRunner } from "../support/boxes.ts";
import { assertSame, type Program } from "./both.ts";

const runner = useRunner(2);

/** Title → program. Tools that a machine may lack are asked for by both.ts and by scripts/test.sh. */
const PROGRAMS: Readonly<Record<string, Program>> = {
  "python starts pools, queues, threads, shared memory, programs, loops, signals and terminals": {
    files: ["processes.py"],
    command: "python3 processes.py",
  },
  "python's library finds files, databases, clocks, zones and limits": {
    files: ["library.py"],
    command: "python3 library.py",
  },
  "node does files, watches, processes, workers, streams, cryptography and wasm": {
    files: ["broad.mjs"],
    command: "node broad.mjs",
  },
  "bash does jobs, coprocesses, substitutions, traps and the usual tools": {
    files: ["broad.sh"],
    command: "bash broad.sh 2>&1",
  },
  "perl does files, processes, threads, shared memory and its modules": {
    files: ["broad.pl"],
    command: "perl broad.pl",
  },
  "a program in C compiles, and does threads, signals, events, IPC and memory": {
    files: ["broad.c"],
    command: "gcc -O1 -pthread -o broad broad.c -lm && ./broad",
  },
  "a program in C++ compiles, and does exceptions, threads, tasks and OpenMP": {
    files: ["broad.cpp"],
    command: "g++ -std=c++20 -O0 -fopenmp -o broad broad.cpp && ./broad",
  },
};

for (const [title, program] of Object.entries(PROGRAMS)) {
  test(title, () => assertSame(runner(), program));
}

/** No test of ours needs Java; where it is, boxes run it. */
if (existsSync("/usr/bin/javac")) {
  test("java does threads, files, processes and its own memory", async () => {
    await assertSame(runner(), { files: ["Broad.java"], command: "java Broad.java" });
  });

  test("java sizes its heap by the job's memory, not by the machine's", async () => {
    const code =
      "public class main { public static void main(String[] a) {" +
      " System.out.print(Runtime.getRuntime().maxMemory() >> 20); } }";
    for (const memoryMb of [256, 1024]) {
      const heapMb = Number(await say(runner(), { interpreter: "java", code, memoryMb }));
      assert.ok(heapMb > memoryMb / 2 && heapMb < memoryMb * 0.7, `${heapMb} of ${memoryMb} MB`);
    }
  });
}
