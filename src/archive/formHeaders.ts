/** The headers of a form: what boundary it has, and how a part is called. */
import { Refusal } from "../core/errors.ts";
import { showPath } from "../core/paths.ts";

export function refuseForm(fault: string): never {
  throw new Refusal("bad_request", `multipart: ${fault}`);
}

/** One `; name=value` or `; name="value"`; no part of it can match in two ways. */
const PARAMETER = /[ \t]*;[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))[ \t]*/y;

/** A header such as `form-data; name="files"`: the first word and its parameters. */
function parseParameters(header: string): { word: string; parameters: Map<string, string> } {
  const word = /^[ \t]*([\w!#$%&'*+.^`|~/-]*)/.exec(header)?.[0] ?? "";
  const parameters = new Map<string, string>();
  const pattern = new RegExp(PARAMETER);
  pattern.lastIndex = word.length;
  while (pattern.lastIndex < header.length) {
    const match = pattern.exec(header);
    if (match === null) refuseForm("a header is malformed");
    const [, key = "", quoted, plain = ""] = match;
    const name = key.toLowerCase();
    if (parameters.has(name)) refuseForm("a header says something twice");
    parameters.set(name, quoted?.replace(/\\(["\\])/g, "$1") ?? plain);
  }
  return { word: word.trim().toLowerCase(), parameters };
}

/**
 * The boundary that a Content-Type names (RFC 2046, 5.1.1: 1 to 70 characters).
 * @throws Refusal `bad_request`
 */
export function boundaryOf(contentType: string): string {
  const { word, parameters } = parseParameters(contentType);
  const boundary = parameters.get("boundary") ?? "";
  if (word !== "multipart/form-data") refuseForm("the content type is not multipart/form-data");
  if (!/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary)) refuseForm("there is no boundary");
  return boundary;
}

/** Header bytes came as latin1; names in them are UTF-8 (RFC 7578, 5.1). */
function decodeUtf8(latin1: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(latin1, "latin1"));
  } catch {
    return refuseForm(`a name is not UTF-8: "${showPath(latin1)}"`);
  }
}

/** Browsers write these three so, and nothing else (HTML, "multipart/form-data encoding"). */
function decodeQuotes(name: string): string {
  return name.replaceAll(/%0a/gi, "\n").replaceAll(/%0d/gi, "\r").replaceAll("%22", '"');
}

/** `UTF-8''na%C3%AFve.txt` (RFC 8187), which some libraries write for names beyond ASCII. */
function decodeExtended(value: string): string {
  const encoded = /^utf-8'[\w-]*'(.*)$/i.exec(value)?.[1];
  if (encoded === undefined) refuseForm("a file name is not UTF-8");
  try {
    return decodeURIComponent(encoded);
  } catch {
    return refuseForm("a file name is not UTF-8");
  }
}

/** What a part calls itself. */
export interface PartNames {
  readonly name: string;
  readonly fileName: string | undefined;
}

/** The only value of a header; what stands twice could be read in two ways. */
function onlyValue(headers: object, name: string): string | undefined {
  const values: unknown = Object.getOwnPropertyDescriptor(headers, name)?.value;
  if (!Array.isArray(values)) return undefined;
  if (values.length !== 1) refuseForm("a part has a header twice");
  return String(values[0]);
}

/**
 * @param headers of a part, lower-case name → values, as latin1
 * @throws Refusal `bad_request`
 */
export function partNames(headers: object): PartNames {
  const encoding = onlyValue(headers, "content-transfer-encoding") ?? "binary";
  if (!/^(?:7bit|8bit|binary)$/i.test(encoding.trim())) {
    refuseForm(`a part comes as ${showPath(encoding)}, which is not decoded here`);
  }
  const { word, parameters } = parseParameters(onlyValue(headers, "content-disposition") ?? "");
  const name = parameters.get("name");
  if (word !== "form-data" || name === undefined) refuseForm("a part has no name");
  const plain = parameters.get("filename");
  const extended = parameters.get("filename*");
  const fileName =
    extended !== undefined
      ? decodeExtended(extended)
      : plain !== undefined
        ? decodeQuotes(decodeUtf8(plain))
        : undefined;
  return { name: decodeQuotes(decodeUtf8(name)), fileName };
}
