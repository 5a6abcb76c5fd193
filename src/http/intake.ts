/**
 * From a request's body to a job that can be submitted. Everything here was chosen by a
 * stranger; what cannot be used is refused before a queue or a box sees it.
 */
import { InputBudget } from "../archive/budget.ts";
import { readMultipart } from "../archive/multipart.ts";
import type { Caller } from "../core/caller.ts";
import { Refusal } from "../core/errors.ts";
import type { InputTree } from "../core/job.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";
import {
  type Manifest,
  type ManifestRequest,
  manifestFromQuery,
  parseManifest,
  resolveManifest,
} from "../core/manifest.ts";
import type { JobSpec } from "../core/runner.ts";
import { bodyOf, readWhole, refuseEncoded } from "./body.ts";
import type { AppContext, AppDeps } from "./deps.ts";
import { codeFile, parseJsonJob, USUAL_INTERPRETER } from "./jsonJob.ts";
import { declaredBytes, type Upload } from "./uploads.ts";

export interface ReadJob {
  readonly spec: JobSpec;
  /** What the request was, which decides what the answer of `/run` is. */
  readonly answer: "text" | "json";
}

/** The files are there; a manifest that is refused must not leave them behind. */
interface Draft {
  readonly input: InputTree;
  readonly parseManifest: () => ManifestRequest;
}

export type MediaType = "text/plain" | "application/json" | "multipart/form-data";

/**
 * @param query of the address, without what the route itself understands
 * @param types the content types that this address takes
 * @param mayInteract the caller learns the id while the job lives
 * @throws Refusal whatever is wrong with the request
 */
export async function readJob(
  c: AppContext,
  caller: Caller,
  query: URLSearchParams,
  deps: AppDeps,
  types: readonly MediaType[],
  mayInteract: boolean,
): Promise<ReadJob> {
  const { headers } = c.req.raw;
  refuseEncoded(headers);
  const mediaType = mediaTypeOf(headers, types);
  // Before its manifest: while boxes are not known to hold, no interpreter is known either, and
  // the caller would be told that theirs does not exist.
  deps.engine.refuseEarly(caller);
  const upload = beginUpload(headers, mediaType, caller, deps);
  const budget = new InputBudget();
  try {
    const draft = await readDraft({ c, upload, budget }, mediaType, query);
    const answer = mediaType === "text/plain" ? "text" : "json";
    const manifest = resolved(draft, deps, mayInteract);
    return { spec: { manifest, input: draft.input, mergeStreams: answer === "text" }, answer };
  } catch (refusal) {
    deps.engine.bills.refused(caller, TRANSFER_LIMITS.unpackedBytes - budget.remainingBytes);
    throw refusal;
  } finally {
    upload.end();
  }
}

/** @throws Refusal unsupported_media_type, saying what to send */
function mediaTypeOf(headers: Headers, types: readonly MediaType[]): MediaType {
  const header = headers.get("content-type") ?? "";
  const type = header.split(";")[0]?.trim().toLowerCase();
  const known = types.find((one) => one === type);
  if (known !== undefined) return known;
  const isForm = type === "application/x-www-form-urlencoded" && types.includes("text/plain");
  throw new Refusal(
    "unsupported_media_type",
    isForm
      ? 'Set the header Content-Type: text/plain, with curl -H "Content-Type: text/plain": ' +
          "curl -d alone sends a form."
      : `Set the header Content-Type to one of: ${types.join(", ")}.`,
  );
}

function limitOf(mediaType: MediaType): number {
  return mediaType === "multipart/form-data"
    ? TRANSFER_LIMITS.inputBytes
    : TRANSFER_LIMITS.jsonBodyBytes;
}

/** A multipart body has boundaries and headers beside its files: it is counted as it is read. */
function beginUpload(
  headers: Headers,
  mediaType: MediaType,
  caller: Caller,
  { uploads }: AppDeps,
): Upload {
  const limit = limitOf(mediaType);
  if (mediaType !== "multipart/form-data") return uploads.beginWhole(caller, headers, limit);
  const declared = declaredBytes(headers);
  return uploads.begin(caller, declared === undefined ? undefined : Math.min(declared, limit));
}

/** One body on its way to be a job. */
interface Incoming {
  readonly c: AppContext;
  readonly upload: Upload;
  readonly budget: InputBudget;
}

async function readDraft(
  incoming: Incoming,
  mediaType: MediaType,
  query: URLSearchParams,
): Promise<Draft> {
  if (mediaType === "text/plain") return readText(incoming, query);
  const [unknown] = query.keys();
  if (unknown !== undefined) {
    throw new Refusal(
      "bad_request",
      "Fields of the manifest stand in the body here, not in the query.",
    );
  }
  if (mediaType === "application/json") return readJson(incoming);
  const { c, upload, budget } = incoming;
  const request = c.req.raw;
  const contentType = request.headers.get("content-type") ?? "";
  const { input, manifestJson } = await readMultipart(
    bodyOf(c, upload),
    contentType,
    budget,
    request.signal,
  );
  return {
    input,
    parseManifest: () => parseManifest(manifestJson === undefined ? {} : manifestJson),
  };
}

/** The bytes are the program as they are, in whatever encoding they were written. */
async function readText({ c, upload }: Incoming, query: URLSearchParams): Promise<Draft> {
  if (query.has("entrypoint"))
    throw new Refusal("bad_manifest", "entrypoint: is for uploads of files");
  if (!query.has("interpreter")) query.set("interpreter", USUAL_INTERPRETER);
  const interpreter = query.get("interpreter");
  const bytes = await readWhole(c, upload, limitOf("text/plain"));
  if (bytes.length === 0) throw new Refusal("bad_request", "The body is empty: it should be code.");
  const file = codeFile(bytes, interpreter, new InputBudget());
  query.set("entrypoint", file.path);
  const input = { files: [file], directories: [] };
  return { input, parseManifest: () => manifestFromQuery([...query]) };
}

async function readJson({ c, upload }: Incoming): Promise<Draft> {
  const body = await readWhole(c, upload, limitOf("application/json"));
  try {
    const { input, manifestJson } = parseJsonJob(body);
    return { input, parseManifest: () => parseManifest(manifestJson) };
  } finally {
    body.fill(0);
  }
}

/** Overwrites the input when its manifest is refused. */
function resolved(draft: Draft, deps: AppDeps, mayInteract: boolean): Manifest {
  const { interpreters, environments } = deps.runner;
  try {
    const request = draft.parseManifest();
    if (request.interactive && !mayInteract) {
      // Nobody could send what the program waits for.
      throw new Refusal("bad_manifest", "interactive: is for /submit");
    }
    return resolveManifest(request, draft.input, {
      interpreters,
      environments,
      ceilings: deps.ceilings,
    });
  } catch (refusal) {
    for (const file of draft.input.files) file.bytes.fill(0);
    throw refusal;
  }
}
