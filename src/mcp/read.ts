/** Output files and printed streams of an ended job, piece by piece. */
import type {
  CallToolResult,
  ContentBlock,
  ReadResourceResult,
} from "@modelcontextprotocol/server";
import type { SandrunClient } from "../client/client.ts";
import { Refusal } from "../core/errors.ts";
import { MCP_LIMITS } from "../core/limits.ts";
import { imageTypeOf, type Piece, placeOf, readPiece, textOf, uriOf } from "./files.ts";
import { framed, frameNotice, newMark, visible } from "./frame.ts";
import { quoted, textBlock } from "./result.ts";

export interface Wished {
  readonly job_id: string;
  readonly path?: string | undefined;
  readonly stream?: "stdout" | "stderr" | undefined;
  readonly offset?: number | undefined;
}

/** @throws ApiError, Refusal */
export async function readOutput(
  client: SandrunClient,
  { job_id: jobId, path, stream, offset = 0 }: Wished,
  signal: AbortSignal,
): Promise<CallToolResult> {
  if ((path === undefined) === (stream === undefined))
    throw new Refusal("bad_request", "Give either path or stream.");
  if (path === undefined) {
    const logs = await client.logs(jobId, { signal });
    const name = stream ?? "stdout";
    return pieceResult(name, offset, sliced(Buffer.from(logs[name]), offset));
  }
  // An image is shown whole or not at all, a text by pieces.
  const mostBytes = offset === 0 ? MCP_LIMITS.imageBytes : MCP_LIMITS.readBytes;
  const piece = await readPiece(client, jobId, path, { offset, mostBytes }, signal);
  const type = imageTypeOf(piece.bytes);
  if (offset === 0 && type !== undefined && !piece.more) return imageResult(path, type, piece);
  return pieceResult(quoted(path), offset, cutToRead(piece), uriOf(jobId, path));
}

function sliced(bytes: Buffer, offset: number): Piece {
  return cutToRead({ bytes: bytes.subarray(offset), more: false });
}

/** At most what is read at once, and no character cut in two at its end. */
function cutToRead({ bytes, more }: Piece): Piece {
  const most = MCP_LIMITS.readBytes;
  const isCut = more || bytes.length > most;
  if (!isCut) return { bytes, more };
  let end = Math.min(most, bytes.length);
  for (let back = 1; back <= 3 && back <= end; back++) {
    const byte = bytes[end - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) end -= back;
    break;
  }
  return { bytes: bytes.subarray(0, end), more: true };
}

function imageResult(path: string, mimeType: string, { bytes }: Piece): CallToolResult {
  return {
    content: [
      textBlock(`The image ${quoted(path)}, ${bytes.length} bytes, made by the program:`),
      { type: "image", data: bytes.toString("base64"), mimeType },
    ],
    structuredContent: { name: path, kind: "image", offset: 0, bytes: bytes.length, more: false },
  };
}

function pieceResult(name: string, offset: number, piece: Piece, uri?: string): CallToolResult {
  const { bytes, more } = piece;
  const text = textOf(bytes);
  const range = `bytes ${offset} to ${offset + bytes.length}`;
  const rest = more
    ? ` There is more: read on at offset ${offset + bytes.length}.`
    : " That is its end.";
  const structuredContent = {
    name,
    kind: text === undefined ? "binary" : "text",
    offset,
    bytes: bytes.length,
    more,
  };
  if (text === undefined) {
    const link: ContentBlock[] = uri === undefined ? [] : [{ type: "resource_link", uri, name }];
    const sentence = `${name} is not text, nor an image of a known kind that fits. Read it as a resource, or let a program print what matters in it.`;
    return { content: [textBlock(sentence), ...link], structuredContent };
  }
  const mark = newMark();
  const head = `${name}, ${range}.${rest}\n${frameNotice(mark)}`;
  const frame = framed({ head: visible(text), tail: "", leftOut: 0 }, name, mark);
  return { content: [textBlock(head), textBlock(frame)], structuredContent };
}

/**
 * A file as a resource, whole.
 * @throws ApiError, Refusal too_large, not_found
 */
export async function readResource(
  client: SandrunClient,
  uri: string,
  signal: AbortSignal,
): Promise<ReadResourceResult> {
  const place = placeOf(uri);
  if (place === undefined) throw new Refusal("not_found", "This is no address of an output file.");
  const mostBytes = MCP_LIMITS.resourceBytes;
  const { bytes, more } = await readPiece(client, place.jobId, place.path, { mostBytes }, signal);
  if (more) throw new Refusal("too_large", `A resource may have ${mostBytes} bytes.`);
  const image = imageTypeOf(bytes);
  const text = image === undefined ? textOf(bytes) : undefined;
  if (text !== undefined) return { contents: [{ uri, mimeType: "text/plain", text }] };
  const mimeType = image ?? "application/octet-stream";
  return { contents: [{ uri, mimeType, blob: bytes.toString("base64") }] };
}
