/**
 * Output files leave as attachments. All of them in one archive end the job's life, once the
 * archive was sent whole: whoever hangs up in the middle, or only asks with HEAD, may come again.
 */
import { packTarGz } from "../archive/pack.ts";
import { Refusal } from "../core/errors.ts";
import type { OutputFile } from "../core/job.ts";
import type { Outputs } from "../core/runner.ts";
import type { Job } from "../engine.ts";
import { type AppContext, type AppDeps, callerOf } from "./deps.ts";
import { attachment } from "./headers.ts";
import { jobOf, outputsOf } from "./jobs.ts";
import { faultFields } from "./log.ts";
import { streamed } from "./sent.ts";

export function downloadAll(c: AppContext, deps: AppDeps): Response {
  const job = jobOf(c, deps.engine);
  const outputs = outputsOf(job);
  const headers = {
    "Content-Type": "application/gzip",
    "Content-Disposition": attachment(`${job.id}.tar.gz`),
  };
  return send(c, deps, job, headers, () => packTarGz(entriesOf(outputs)), "packed");
}

export function downloadOne(c: AppContext, deps: AppDeps): Response {
  const job = jobOf(c, deps.engine);
  const outputs = outputsOf(job);
  const path = pathOf(c.req.url, job.id);
  const file = outputs.files.find((output) => output.path === path);
  if (file === undefined) throw new Refusal("not_found");
  const headers = {
    "Content-Type": "application/octet-stream",
    "Content-Length": String(file.sizeBytes),
    "Content-Disposition": attachment(file.path),
  };
  return send(c, deps, job, headers, () => outputs.read(file), "sent");
}

/** @param work what it costs for each byte; when all of a job was packed and sent whole, the job goes */
function send(
  c: AppContext,
  deps: AppDeps,
  job: Job,
  headers: Record<string, string>,
  body: () => AsyncIterable<Uint8Array>,
  work: "packed" | "sent",
): Response {
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  const lease = deps.engine.lease(job.id);
  const stream = streamed(
    c,
    deps.engine.bills.spending(callerOf(c, deps.callers), body(), work),
    (whole) => lease?.end(work === "packed" && whole),
    (fault) => deps.log(faultFields(fault)),
  );
  return c.body(stream, 200, headers);
}

/** As it stands in the address, since `%2F` and `/` must not be mixed up by a router. */
function pathOf(url: string, id: string): string | undefined {
  const encoded = new URL(url).pathname.slice(`/download/${id}/`.length);
  try {
    return decodeURIComponent(encoded);
  } catch {
    // No file has a name that is not valid UTF-8 when decoded.
    return undefined;
  }
}

function* entriesOf(outputs: Outputs) {
  for (const file of outputs.files) yield { ...entryOf(file), content: outputs.read(file) };
}

function entryOf({ path, sizeBytes, executable, mtimeSeconds }: OutputFile) {
  return { path, sizeBytes, executable, mtimeSeconds };
}
