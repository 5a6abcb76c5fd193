/** Bytes in and out: the multipart body of a job, and answers read up to a ceiling. */
import type { FilesJob } from "./jobs.ts";

/** A `multipart/form-data` body as `/submit` and `/run` take it. */
export function multipart(job: FilesJob): FormData {
  const form = new FormData();
  // The manifest goes first: the server can then refuse a bad one before the files arrive.
  form.append("manifest", JSON.stringify(job.manifest));
  for (const file of job.files) {
    const blob = file.bytes instanceof Blob ? file.bytes : new Blob([file.bytes.slice()]);
    form.append("files", blob, file.name);
  }
  return form;
}

/** The answer said more than `mostBytes`; the rest was not read. */
export class TooLong extends Error {}

/**
 * The body as text, at most `mostBytes` of it.
 * @throws TooLong when there is more: a hostile server must not fill the caller's memory.
 */
export async function boundedText(response: Response, mostBytes: number): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  const pieces: string[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > mostBytes) {
      await reader.cancel();
      throw new TooLong(`more than ${mostBytes} bytes`);
    }
    pieces.push(decoder.decode(value, { stream: true }));
  }
  pieces.push(decoder.decode());
  return pieces.join("");
}
