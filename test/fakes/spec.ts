/** Jobs for tests of the parts that do not care what a job is. */
import type { JobSpec } from "../../src/core/runner.ts";

export function someSpec(code = "print(1)", mergeStreams = false): JobSpec {
  return {
    manifest: {
      entrypoint: "main.py",
      interpreter: "python3",
      args: [],
      env: {},
      stdin: Buffer.from("typed in"),
      outputs: undefined,
      timeoutSeconds: 300,
      memoryMb: 512,
      cpuSeconds: undefined,
      environment: undefined,
      nonce: undefined,
      interactive: false,
      tty: false,
    },
    input: {
      files: [{ path: "main.py", executable: false, mtimeSeconds: 0, bytes: Buffer.from(code) }],
      directories: [],
    },
    mergeStreams,
  };
}
