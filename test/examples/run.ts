/** Runs the program as a person does: through the script, in a real process. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `./sandrun ARGS` in the checkout, with `stdin` piped in. */
export async function sandrun(
  args: readonly string[],
  stdin = "",
  encoding: BufferEncoding = "utf8",
): Promise<Ran> {
  const { SANDRUN_SERVER: _server, ...env } = process.env;
  const child = spawn(`${ROOT}sandrun`, args, { cwd: ROOT, env });
  // A program that ends without reading closes the pipe; that is its right.
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin);
  const [stdout, stderr, status] = await Promise.all([
    textOf(child.stdout, encoding),
    textOf(child.stderr, encoding),
    new Promise<number | null>((resolve) => child.on("close", resolve)),
  ]);
  return { status, stdout, stderr };
}

async function textOf(stream: AsyncIterable<Buffer>, encoding: BufferEncoding): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString(encoding);
}
