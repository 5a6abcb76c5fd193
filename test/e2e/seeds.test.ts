/** What the first descriptions of Sandrun promise works as they wrote it, over TLS, in real boxes. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { useService } from "./curl.ts";

const execute = promisify(execFile);
const service = useService("--max-running", "60", "--max-waiting", "100");

async function untilEnded(id: string): Promise<Record<string, unknown>> {
  for (;;) {
    const status = await service().json(`${service().url}/status/${id}`);
    if (status["status"] === "completed" || status["status"] === "failed") return status;
    await sleep(20);
  }
}

test("curl sends plain code and reads plain output", async () => {
  const { curl, url } = service();
  const said = await curl(
    ...["-X", "POST", `${url}/run`, "-H", "Content-Type: text/plain"],
    ...["-d", 'print("Hello from sandbox")'],
  );
  assert.equal(said, "Hello from sandbox\n");
});

test("a page sends its text area as fetch does, and shows the text that comes back", async () => {
  const { url } = service();
  const page = `const response = await fetch("${url}/run", { method: "POST", body: "print(6 * 7)" });
    process.stdout.write(await response.text());`;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: join(service().directory, "cert.pem") };
  const { stdout } = await execute(process.execPath, ["-e", page], { env });
  assert.equal(stdout, "42\n");
});

test("requests.post with code and interpreter finds the output under its name", async () => {
  const { json, url } = service();
  for (const [interpreter, code] of [
    ["python", "print('hi')"],
    ["javascript", "console.log('hi')"],
    ["bash", "echo hi"],
  ]) {
    const body = JSON.stringify({ code, interpreter });
    const result = await json("-H", "Content-Type: application/json", "-d", body, `${url}/run`);
    assert.equal(result["output"], "hi\n", interpreter);
  }
});

test("what must fail in a sandbox fails as the documents say", async () => {
  const { curl, url } = service();
  const code = `
import os, socket
try: open('/etc/passwd', 'r')
except OSError as error: print(error.strerror)
try: open('/home/user/private.txt', 'r')
except OSError as error: print(error.strerror)
try: socket.socket()
except OSError as error: print(error.strerror)
try: os.kill(1, 9)
except OSError as error: print(error.strerror)
os.system('ps aux | wc -l')
print(os.cpu_count() is not None)
`;
  const said = await curl("-H", "Content-Type: text/plain", "--data-binary", code, `${url}/run`);
  // ps shows its own head line, python3, sh, ps and wc.
  assert.deepEqual(said.trim().split("\n"), [
    "Permission denied",
    "No such file or directory",
    "Operation not permitted",
    "Operation not permitted",
    "5",
    "True",
  ]);
});

test("a directory job comes back as an archive of exactly its outputs, and is gone", async () => {
  const { curl, json, url, directory } = service();
  const job = join(directory, "job");
  await mkdir(job);
  const code = `
import os
os.makedirs('results')
open('results/data.csv', 'w').write('a,b')
open('plot.png', 'wb').write(bytes(10))
open('scratch.tmp', 'w').write('no')
os.symlink('/etc/hostname', 'results/link.csv')
`;
  await writeFile(join(job, "main.py"), code);
  await writeFile(join(job, "lib.txt"), "input");
  await execute("tar", ["-czf", join(directory, "job.tar.gz"), "-C", job, "."]);
  const manifest = JSON.stringify({
    entrypoint: "main.py",
    interpreter: "python3",
    outputs: ["results/", "*.png"],
    timeout: 60,
    memory_mb: 256,
  });
  const submitted = await json(
    ...["-F", `files=@${join(directory, "job.tar.gz")}`, "-F", `manifest=${manifest}`],
    `${url}/submit`,
  );
  assert.equal(submitted["status"], "queued");
  const id = String(submitted["job_id"]);
  assert.equal((await untilEnded(id))["status"], "completed");
  const outputs = await json(`${url}/outputs/${id}`);
  assert.deepEqual(outputs["files"], ["plot.png", "results/data.csv"]);
  const archive = join(directory, "outputs.tar.gz");
  await curl("-o", archive, `${url}/download/${id}`);
  const { stdout } = await execute("tar", ["-tzf", archive]);
  assert.deepEqual(stdout.trim().split("\n"), ["plot.png", "results/data.csv"]);
  const status = await curl("-o", "/dev/null", "-w", "%{http_code}", `${url}/status/${id}`);
  assert.equal(status, "404");
});

test("fifty jobs at once get fifty right answers", async () => {
  const { json, url } = service();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => {
      const body = JSON.stringify({ code: `print(${index} ** 2)` });
      return json("-H", "Content-Type: application/json", "-d", body, `${url}/run`);
    }),
  );
  assert.deepEqual(
    answers.map((answer) => answer["output"]),
    answers.map((_, index) => `${index ** 2}\n`),
  );
});

test("each end is told apart, with what was printed before it", async () => {
  const { json, url } = service();
  const ends: readonly (readonly [string, object, unknown])[] = [
    ["print('x', flush=True); bytearray(600 << 20)", {}, { kind: "out_of_memory" }],
    ["import time; print('x'); time.sleep(60)", { timeout: 1 }, { kind: "timed_out" }],
    ["print('x')\nwhile True: pass", { cpu_seconds: 1 }, { kind: "cpu_limit" }],
    ["print('x'); exit(3)", {}, { kind: "exited", exit_code: 3 }],
    ["import os; print('x', flush=True); os.abort()", {}, { kind: "signalled", signal: "SIGABRT" }],
  ];
  for (const [code, fields, outcome] of ends) {
    const body = JSON.stringify({ code, ...fields });
    const result = await json("-H", "Content-Type: application/json", "-d", body, `${url}/run`);
    assert.deepEqual(result["outcome"], outcome);
    assert.deepEqual([result["status"], result["stdout"]], ["failed", "x\n"]);
  }
});

test("printed output over ten megabytes is cut, and said to be", async () => {
  const { json, url } = service();
  const body = JSON.stringify({ code: "print('x' * (11 << 20))" });
  const result = await json("-H", "Content-Type: application/json", "-d", body, `${url}/run`);
  assert.equal(String(result["stdout"]).length, 10 << 20);
  assert.equal(result["stdout_truncated"], true);
  assert.equal(result["status"], "completed");
});

test("what is not built yet is refused by name", async () => {
  const { json, url } = service();
  const body = JSON.stringify({ code: "1", encrypt_to: ["age1x"] });
  const refused = await json("-H", "Content-Type: application/json", "-d", body, `${url}/run`);
  assert.equal(refused["code"], "unsupported");
});
