/** What a tool that ran a job tells: the end in words, what was printed, images, links to files. */
import type { CallToolResult, ContentBlock } from "@modelcontextprotocol/server";
import type { SandrunClient } from "../client/client.ts";
import { outcomeFromWire } from "../client/outcome.ts";
import { MCP_LIMITS, MIB, TRANSFER_LIMITS } from "../core/limits.ts";
import { type Allowed, endSentence, shown } from "../core/words.ts";
import { type FileFacts, imageTypeOf, isNamedAsImage, readPiece, uriOf } from "./files.ts";
import type { EndedJob } from "./follow.ts";
import { type Excerpt, excerptOf, framed, frameNotice, newMark } from "./frame.ts";
import type { RunResultContent } from "./schemas.ts";

/** An image of the job, ready to be shown. */
interface Image {
  readonly file: FileFacts;
  readonly type: string;
  readonly base64: string;
}

/** @param allowed what the job was given, for the sentence about its end */
export async function runResultOf(
  client: SandrunClient,
  ended: EndedJob,
  allowed: Allowed,
  signal: AbortSignal,
): Promise<CallToolResult> {
  const { status, logs, outputs } = ended;
  const streams = { stdout: excerptOf(logs.stdout), stderr: excerptOf(logs.stderr) };
  const images = await imagesOf(client, status.job_id, outputs.details, signal);
  const mark = newMark();
  const structured = structuredOf(ended, streams, endWords(ended, allowed));
  const printed = (["stdout", "stderr"] as const)
    .filter((name) => streams[name].head !== "")
    .map((name) => textBlock(framed(streams[name], name, mark)));
  return {
    content: [
      textBlock(summaryOf(ended, structured, images, printed.length > 0 ? mark : undefined)),
      ...printed,
      ...images.flatMap(({ file, type, base64 }): ContentBlock[] => [
        textBlock(`The image ${quoted(file.path)}, made by the program:`),
        { type: "image", data: base64, mimeType: type },
      ]),
      ...structured.files.map(
        (file): ContentBlock => ({ type: "resource_link", uri: file.uri, name: shown(file.path) }),
      ),
    ],
    structuredContent: structured,
    // How a program ended is a result; that the box failed is an error of the tool.
    isError: status.outcome.kind === "sandbox_error",
  };
}

export function textBlock(text: string): ContentBlock {
  return { type: "text", text };
}

/** A name that a program chose, in one line and with its ends marked. */
export function quoted(name: string): string {
  return JSON.stringify(shown(name));
}

function endWords({ status }: EndedJob, allowed: Allowed): string {
  const outcome = outcomeFromWire(status.outcome);
  if (outcome.kind === "exited") return `exited with code ${outcome.exitCode}`;
  return endSentence(outcome, allowed) ?? outcome.kind;
}

function summaryOf(
  { logs, outputs }: EndedJob,
  structured: RunResultContent,
  images: readonly Image[],
  mark: string | undefined,
): string {
  const { job_id, outcome, wall_seconds, cpu_seconds, memory_mb, files, files_total } = structured;
  const used = [
    ...(wall_seconds === undefined ? [] : [`${wall_seconds.toFixed(3)} s`]),
    ...(cpu_seconds === undefined ? [] : [`${cpu_seconds.toFixed(3)} s of CPU time`]),
    ...(memory_mb === undefined ? [] : [`${memory_mb} MB of memory`]),
  ];
  const cut = logs.stdout_truncated || logs.stderr_truncated;
  const left = structured.stdout.left_out + structured.stderr.left_out;
  return [
    `How it ended: ${outcome}.${used.length === 0 ? "" : ` It used ${used.join(", ")}.`}`,
    ...(cut
      ? [`It printed more than the ${TRANSFER_LIMITS.printedBytes / MIB} MB that are kept.`]
      : []),
    ...(left === 0
      ? []
      : [`Not all that is kept is shown; read_output has the rest (job_id ${job_id}).`]),
    ...(files_total === 0 ? [] : filesWords(outputs.details, files.length, images, job_id)),
    mark === undefined ? "It printed nothing." : frameNotice(mark),
  ].join("\n");
}

function filesWords(
  details: readonly FileFacts[],
  count: number,
  images: readonly Image[],
  jobId: string,
): string[] {
  const shownImages = new Set(images.map(({ file }) => file.path));
  const lines = details
    .slice(0, count)
    .map(
      ({ path, size }) =>
        `- ${quoted(path)}, ${size} bytes${shownImages.has(path) ? ", shown below" : ""}`,
    );
  const more = details.length - count;
  return [
    `Files that it made, under names that it chose; read_output reads them for a while (job_id ${jobId}):`,
    ...lines,
    ...(more > 0 ? [`- and ${more} more, which are not named here`] : []),
  ];
}

function structuredOf(
  { status, logs, outputs }: EndedJob,
  streams: { readonly stdout: Excerpt; readonly stderr: Excerpt },
  outcome: string,
): RunResultContent {
  const { kind, exit_code, signal } = status.outcome;
  const { cpu_seconds, memory_mb, wall_seconds } = status.metrics ?? {};
  const printed = ({ head, tail, leftOut }: Excerpt, cut: boolean) => ({
    text: leftOut === 0 ? head : `${head}\n…\n${tail}`,
    left_out: leftOut,
    cut,
  });
  return {
    job_id: status.job_id,
    succeeded: status.status === "completed",
    outcome,
    kind,
    ...(exit_code === undefined ? {} : { exit_code }),
    ...(signal === undefined ? {} : { signal }),
    stdout: printed(streams.stdout, logs.stdout_truncated),
    stderr: printed(streams.stderr, logs.stderr_truncated),
    ...(cpu_seconds === undefined ? {} : { cpu_seconds }),
    ...(memory_mb === undefined ? {} : { memory_mb }),
    ...(wall_seconds === undefined ? {} : { wall_seconds }),
    files: outputs.details.slice(0, MCP_LIMITS.filesShown).map(({ path, size, sha256 }) => ({
      path,
      size,
      sha256,
      uri: uriOf(status.job_id, path),
    })),
    files_total: outputs.details.length,
  };
}

/** The first images among the files, as long as they fit. */
async function imagesOf(
  client: SandrunClient,
  jobId: string,
  details: readonly FileFacts[],
  signal: AbortSignal,
): Promise<readonly Image[]> {
  const images: Image[] = [];
  let room: number = MCP_LIMITS.imageBytes;
  for (const file of details.filter(isNamedAsImage)) {
    if (images.length === MCP_LIMITS.imagesShown) break;
    if (file.size > room) continue;
    const { bytes, more } = await readPiece(client, jobId, file.path, { mostBytes: room }, signal);
    const type = imageTypeOf(bytes);
    if (type === undefined || more) continue;
    room -= bytes.length;
    images.push({ file, type, base64: bytes.toString("base64") });
  }
  return images;
}
