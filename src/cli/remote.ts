/** A job on a server: sent, waited for, fetched and destroyed there. */
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import type { RunResult } from "../client/answers.ts";
import type { SandrunClient } from "../client/client.ts";
import { ApiError } from "../client/errors.ts";
import type { FilesJob } from "../client/jobs.ts";
import { outcomeFromWire } from "../client/outcome.ts";
import type { InputTree } from "../core/job.ts";
import { CLIENT_LIMITS } from "../core/limits.ts";
import { parseManifest } from "../core/manifest.ts";
import { endSentence } from "../core/words.ts";
import { collect, mentionFiles } from "./collect.ts";
import type { Io } from "./io.ts";
import { put, tell } from "./io.ts";
import { talkLive } from "./live.ts";
import type { Wanted } from "./local.ts";
import type { Prepared } from "./prepare.ts";
import { EXIT, errorSentence, exitStatus } from "./show.ts";
import { UsageError } from "./usage.ts";
import { waitForEnd } from "./waiting.ts";

/** A result; one that was waited for has no `output`, the two streams as they came. */
type Result = Omit<RunResult, "output" | "metrics"> & {
  readonly output?: string;
  readonly metrics: RunResult["metrics"] | undefined;
};

/** Runs it there and shows it here. @returns the exit status @throws Refusal, ApiError */
export async function runRemotely(
  prepared: Prepared,
  wanted: Wanted,
  client: SandrunClient,
  io: Io,
): Promise<number> {
  const signal = io.interrupted;
  const job = await upload({ ...prepared, fields: inputFields(prepared) });
  if (prepared.isLive) {
    const { job_id } = await client.submit(job, { signal });
    return showJob(client, job_id, wanted, io);
  }
  const waitSeconds = wanted.json ? CLIENT_LIMITS.runWaitSeconds : CLIENT_LIMITS.quickRunSeconds;
  const answer = await client.run(job, { waitSeconds, signal });
  if (!answer.finished && !wanted.json) return showJob(client, answer.job.job_id, wanted, io);
  const jobId = answer.finished ? answer.result.job_id : answer.job.job_id;
  const isGone = answer.finished && answer.result.files.every(({ base64 }) => base64 !== undefined);
  try {
    const result = answer.finished ? answer.result : await fetchResult(client, jobId, io);
    return await report(result, client, wanted, io);
  } finally {
    // Also after Ctrl-C, so without its signal: what we started must not run on.
    if (!isGone) await discard(client, jobId, io);
  }
}

/** Whatever its job.json says, a program whose input is all there must not wait for more. */
function inputFields({ fields, isLive }: Prepared): Prepared["fields"] {
  return isLive || "interactive" in fields ? { ...fields, interactive: isLive } : fields;
}

/** Shows a job as it happens, gets its files and has it destroyed. */
async function showJob(
  client: SandrunClient,
  jobId: string,
  wanted: Wanted,
  io: Io,
): Promise<number> {
  try {
    const ended = await talkLive(client, jobId, io);
    await reportEnd(
      {
        ...ended,
        stdout_truncated: ended.stdoutTruncated,
        stderr_truncated: ended.stderrTruncated,
      },
      io,
    );
    const { details } = await client.outputs(jobId, { signal: io.interrupted });
    const files = details.map((file) => ({ ...file, base64: undefined }));
    return await takeFiles({ ...ended, job_id: jobId, files }, client, wanted, io);
  } finally {
    await discard(client, jobId, io);
  }
}

/** The result is what matters: when this fails, the server forgets the job a minute later anyway. */
async function discard(client: SandrunClient, jobId: string, io: Io): Promise<void> {
  try {
    await client.cancel(jobId);
  } catch (error) {
    if (error instanceof ApiError && error.code === "not_found") return;
    await tell(io, `the server could not be told to destroy the job: ${errorSentence(error)}`);
  }
}

/**
 * The job as the server takes it: one archive, which keeps dates and execute bits.
 * @throws UsageError, Refusal for what the server would refuse too
 */
export async function upload(prepared: Prepared): Promise<FilesJob> {
  parseManifest(prepared.fields);
  const stdin = prepared.stdin === undefined ? {} : { stdin: asText(prepared.stdin) };
  const archive = gzipSync(await packed(prepared.input));
  return {
    files: [{ name: "job.tar.gz", bytes: archive }],
    manifest: { ...prepared.fields, ...stdin },
  };
}

function packed(input: InputTree): Promise<Uint8Array> {
  const directories = input.directories.map((path) => ({
    header: { name: `${path}/`, size: 0, type: "directory" as const, mode: 0o755 },
  }));
  const files = input.files.map(({ path, bytes, executable, mtimeSeconds }) => ({
    header: {
      name: path,
      size: bytes.byteLength,
      mode: executable ? 0o755 : 0o644,
      mtime: new Date(mtimeSeconds * 1000),
    },
    body: bytes,
  }));
  return packTar([...directories, ...files]);
}

function asText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new UsageError("standard input for a job on a server must be UTF-8 text", {
      cause: error,
    });
  }
}

async function fetchResult(client: SandrunClient, jobId: string, io: Io): Promise<Result> {
  const signal = io.interrupted;
  const ended = await waitForEnd(client, jobId, io);
  const [logs, outputs] = await Promise.all([
    client.logs(jobId, { signal }),
    client.outputs(jobId, { signal }),
  ]);
  return {
    job_id: jobId,
    status: ended.status,
    ...logs,
    outcome: ended.outcome,
    metrics: ended.metrics,
    isolation: ended.isolation ?? [],
    files: outputs.details.map((file) => ({ ...file, base64: undefined })),
  };
}

async function report(
  result: Result,
  client: SandrunClient,
  wanted: Wanted,
  io: Io,
): Promise<number> {
  if (wanted.json) await put(io.stdout, `${JSON.stringify(result)}\n`);
  else await show(result, io);
  return takeFiles(result, client, wanted, io);
}

/** @returns the exit status */
async function takeFiles(
  result: Pick<Result, "job_id" | "outcome" | "files">,
  client: SandrunClient,
  wanted: Wanted,
  io: Io,
): Promise<number> {
  const status = exitStatus(outcomeFromWire(result.outcome));
  if (wanted.destination === undefined) {
    if (!wanted.json) await mentionFiles(result.files.length, io);
    return status;
  }
  const files = result.files.map((file) => ({ ...file, sizeBytes: file.size }));
  const isWhole = await collect(
    files,
    (file) => contents(client, result.job_id, file, io),
    wanted.destination,
    io,
  );
  return isWhole || status !== 0 ? status : EXIT.sandbox;
}

async function show(result: Result, io: Io): Promise<void> {
  const isOneTerminal = io.stdout.isTTY === true && io.stderr.isTTY === true;
  if (isOneTerminal && result.output !== undefined) await put(io.stdout, result.output);
  else {
    await put(io.stdout, result.stdout);
    await put(io.stderr, result.stderr);
  }
  await reportEnd(result, io);
}

async function reportEnd(
  result: Pick<Result, "outcome" | "stdout_truncated" | "stderr_truncated">,
  io: Io,
): Promise<void> {
  for (const stream of ["stdout", "stderr"] as const) {
    if (result[`${stream}_truncated`]) await tell(io, `${stream} was cut at the server's limit`);
  }
  const sentence = endSentence(outcomeFromWire(result.outcome), {});
  if (sentence !== undefined) await tell(io, sentence);
}

async function* contents(
  client: SandrunClient,
  jobId: string,
  file: { readonly path: string; readonly base64: string | undefined },
  io: Io,
): AsyncGenerator<Uint8Array> {
  if (file.base64 !== undefined) yield Buffer.from(file.base64, "base64");
  else yield* await client.downloadFile(jobId, file.path, { signal: io.interrupted });
}
