/**
 * The console: pieces become text nodes in spans with classes, never HTML. It shows a window over
 * what was printed: oldest lines leave when there are too many, since a program may print ten megabytes
 * and the page must stay alive. All of the text is kept beside it for Copy and Save.
 */
import { AnsiReader, type Piece, rgbOf, type Style } from "./ansi.ts";

const MOST_LINES = 5000;
const MOST_SPANS = 10_000;
const LINE_CHARACTERS = 4000;
const LINE_SPANS = 1000;
/** Pieces put into the page for one frame. */
const FRAME_PIECES = 3000;
/** Pieces that wait for their frame; the oldest of more would scroll away unseen. */
const QUEUED_PIECES = 12_000;
/** Drawing gets this share of the time at most: a flood of output leaves the page to the person. */
const DRAWING_SHARE = 0.25;

export type StreamName = "stdout" | "stderr" | "page";

interface Queued {
  readonly piece: Piece;
  readonly stream: StreamName;
}

export class Screen {
  readonly #host: HTMLElement;
  #readers: Record<StreamName, AnsiReader> = freshReaders();
  #queue: Queued[] = [];
  #taken = 0;
  #isDue = false;
  #restUntilMs = 0;
  #line: HTMLElement | undefined;
  #lineCharacters = 0;
  #returns = false;
  #lastKey = "";
  #spans = 0;
  #kept: Uint8Array<ArrayBuffer>[] = [];
  #isEmpty = true;

  constructor(host: HTMLElement) {
    this.#host = host;
  }

  clear(): void {
    this.#readers = freshReaders();
    this.#queue = [];
    this.#taken = 0;
    this.#kept = [];
    this.#isEmpty = true;
    this.#line = undefined;
    this.#returns = false;
    this.#spans = 0;
    this.#host.replaceChildren();
  }

  /** Exactly what the program printed. */
  get printed(): Blob {
    return new Blob(this.#kept);
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** @param bytes for Copy and Save, which lose nothing that the window over it has lost */
  keep(bytes: Uint8Array): void {
    this.#kept.push(new Uint8Array(bytes));
  }

  write(stream: StreamName, text: string): void {
    if (text === "") return;
    this.#isEmpty = false;
    for (const piece of this.#readers[stream].feed(text)) this.#queue.push({ piece, stream });
    if (this.#queue.length - this.#taken > QUEUED_PIECES) {
      this.#queue = this.#queue.slice(-QUEUED_PIECES);
      this.#taken = 0;
    }
    this.#drawAfter(this.#restUntilMs - performance.now());
  }

  #drawAfter(restMs: number): void {
    if (this.#isDue) return;
    this.#isDue = true;
    if (restMs < 16) requestAnimationFrame(() => this.#draw());
    else setTimeout(() => this.#draw(), restMs);
  }

  #draw(): void {
    const beganMs = performance.now();
    const wasAtEnd = this.#isAtEnd();
    const end = Math.min(this.#queue.length, this.#taken + FRAME_PIECES);
    for (; this.#taken < end; this.#taken += 1) {
      const next = this.#queue[this.#taken];
      if (next !== undefined) this.#put(next);
    }
    if (this.#taken === this.#queue.length) {
      this.#queue = [];
      this.#taken = 0;
    }
    this.#dropOldest();
    // Reading the height lays the page out, so that the time it takes counts too.
    const { scrollHeight } = this.#host;
    if (wasAtEnd) this.#host.scrollTop = scrollHeight;
    const tookMs = performance.now() - beganMs;
    this.#isDue = false;
    if (this.#queue.length > 0) this.#drawAfter(tookMs / DRAWING_SHARE - tookMs);
    else this.#restUntilMs = performance.now() + tookMs / DRAWING_SHARE - tookMs;
  }

  #isAtEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.#host;
    return scrollHeight - scrollTop - clientHeight < 24;
  }

  #put({ piece, stream }: Queued): void {
    if (piece.kind === "return") {
      this.#returns = true;
      return;
    }
    if (piece.kind === "newline") {
      this.#currentLine();
      this.#endLine();
      return;
    }
    if (this.#returns) this.#emptyLine();
    for (let at = 0; at < piece.text.length; ) {
      const room = LINE_CHARACTERS - this.#lineCharacters;
      this.#append(piece.text.slice(at, at + room), piece.style, stream);
      at += room;
      const full = this.#lineCharacters >= LINE_CHARACTERS;
      if (full || this.#currentLine().childNodes.length >= LINE_SPANS) this.#endLine();
    }
  }

  #append(text: string, style: Style, stream: StreamName): void {
    const line = this.#currentLine();
    this.#lineCharacters += text.length;
    const key = `${stream} ${JSON.stringify(style)}`;
    const last = line.lastChild;
    if (last !== null && key === this.#lastKey && last.firstChild instanceof Text) {
      last.firstChild.appendData(text);
      return;
    }
    const span = document.createElement("span");
    span.className = classesOf(style, stream);
    paint(span, style);
    span.textContent = text;
    line.append(span);
    this.#lastKey = key;
    this.#spans += 1;
  }

  #currentLine(): HTMLElement {
    if (this.#line === undefined) {
      this.#line = document.createElement("div");
      this.#host.append(this.#line);
    }
    return this.#line;
  }

  #emptyLine(): void {
    this.#returns = false;
    if (this.#line === undefined) return;
    this.#spans -= this.#line.childNodes.length;
    this.#line.replaceChildren();
    this.#lineCharacters = 0;
  }

  #endLine(): void {
    this.#line = undefined;
    this.#lineCharacters = 0;
    this.#returns = false;
  }

  #dropOldest(): void {
    while (this.#host.childElementCount > MOST_LINES || this.#spans > MOST_SPANS) {
      const oldest = this.#host.firstElementChild;
      if (oldest === null || oldest === this.#line) return;
      this.#spans -= oldest.childNodes.length;
      oldest.remove();
    }
  }
}

function freshReaders(): Record<StreamName, AnsiReader> {
  return { stdout: new AnsiReader(), stderr: new AnsiReader(), page: new AnsiReader() };
}

const WORDS = ["bold", "dim", "italic", "underline", "strike", "inverse"] as const;

function classesOf(style: Style, stream: StreamName): string {
  const { colour, background } = style;
  const named = (value: unknown, prefix: string) =>
    typeof value === "number" && value < 16 ? [`${prefix}${value}`] : [];
  const words = WORDS.filter((word) => style[word] === true);
  return [stream, ...words, ...named(colour, "fg"), ...named(background, "bg")].join(" ");
}

/** Colours beyond the sixteen named ones are numbers, checked by whoever read them. */
function paint(span: HTMLElement, { colour, background }: Style): void {
  const front = colour === undefined ? null : rgbOf(colour);
  const back = background === undefined ? null : rgbOf(background);
  if (front !== null) span.style.color = `rgb(${front.join(" ")})`;
  if (back !== null) span.style.backgroundColor = `rgb(${back.join(" ")})`;
}
