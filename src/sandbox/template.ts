/**
 * Templates: interpreters that the keeper started once, and forks for each box (native/template.c).
 *
 * A template holds nothing of any job. It is started when boxes of its kind are wanted, serves a number
 * of them and is then replaced, since what these boxes have in common (hash seed, places in memory) a
 * program can learn from itself; and it ends when nobody wanted one for a while.
 *
 * Keeps S11 of SECURITY.md.
 */
import { createConnection, type Socket } from "node:net";
import { SandboxFault } from "../core/errors.ts";
import { FrameParser } from "../core/frameParser.ts";
import { decodeFault, encodeHeader, encodeTemplateRequest, FRAME } from "../core/wire.ts";

/** Boxes of one template. */
export const BOXES_OF_TEMPLATE = 100;
/** Its successor is started when it has so many left. */
const EARLY = 20;
/** An older one is replaced, too: what lies in /usr may be newer than it. */
const OLD_MS = 600_000;
/** Without a box for so long it ends: before the service is at rest. */
const IDLE_MS = 45_000;
/** After one that failed; until then programs are started for each box. */
const AGAIN_MS = 60_000;
/** The start of an interpreter, on a machine that is very busy. */
const START_MS = 30_000;

export interface Template {
  /** Resolves when it has ended, whoever ended it. */
  readonly gone: Promise<void>;
  close(): void;
}

/**
 * Starts the program that `hold` describes, as template number `number`; resolves when it stands
 * before its file.
 * @param hold payload of HOLD
 * @throws SandboxFault with the step that failed
 */
export async function startTemplate(
  keeper: string,
  number: number,
  hold: Uint8Array,
): Promise<Template> {
  const socket = createConnection({ path: keeper });
  const gone = new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
  });
  const head = encodeHeader(FRAME.hold, hold.length);
  socket.write(Buffer.concat([encodeTemplateRequest(number), head, hold]));
  const timer = setTimeout(() => socket.destroy(), START_MS);
  try {
    await untilHeld(socket);
  } catch (fault) {
    socket.destroy();
    throw fault;
  } finally {
    clearTimeout(timer);
  }
  return { gone, close: () => socket.destroy() };
}

function untilHeld(socket: Socket): Promise<void> {
  const parser = new FrameParser();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.on("data", (chunk: Buffer) => {
    const [frame] = parser.push(chunk);
    if (frame?.type === FRAME.held) resolve();
    if (frame?.type !== FRAME.fault) return;
    const { step, errno } = decodeFault(frame.payload);
    reject(new SandboxFault(step, errno));
  });
  socket.on("error", (cause) => reject(new SandboxFault("start a template", 0, { cause })));
  socket.once("close", () => reject(new SandboxFault("start a template")));
  return promise;
}

/** What one kind of template has: itself, and its successor. */
export const NUMBERS_OF_KIND = 2;

export interface TemplateParts {
  /** Numbers at the keeper: from this one on NUMBERS_OF_KIND. */
  readonly firstNumber: number;
  readonly start: (number: number) => Promise<Template>;
  readonly nowMs: () => number;
}

interface Serving {
  readonly template: Template;
  readonly number: number;
  readonly sinceMs: number;
  boxes: number;
  /** Boxes that it was asked for and has not made yet. */
  underWay: number;
  isRetired: boolean;
}

/** Of one program: the template that serves now, and its successor while that one starts. */
export class Templates {
  readonly #parts: TemplateParts;
  #serving: Serving | undefined;
  #starting: Promise<void> | undefined;
  #notBeforeMs = 0;
  #takenAtMs = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: TemplateParts) {
    this.#parts = parts;
  }

  /**
   * One box by a template.
   * @param make is told the template's number
   * @returns undefined when there is none (yet), or it made no box
   */
  async fork<B>(make: (warmFrom: number) => Promise<B>): Promise<B | undefined> {
    const serving = this.#take();
    if (serving === undefined) return undefined;
    serving.underWay += 1;
    try {
      return await make(serving.number);
    } catch {
      // Whatever it was, what is started for the box alone has nothing to do with it.
      this.#notBeforeMs = this.#parts.nowMs() + AGAIN_MS;
      this.#retire(serving);
      return undefined;
    } finally {
      serving.underWay -= 1;
      if (serving.isRetired) this.#retire(serving);
    }
  }

  #take(): Serving | undefined {
    this.#takenAtMs = this.#parts.nowMs();
    const serving = this.#serving;
    // Before it is needed.
    if (serving === undefined || this.#isSpent(serving)) this.#startNext();
    // Its successor is late: rather a start for each box than more that have so much in common.
    if (serving === undefined || serving.boxes >= BOXES_OF_TEMPLATE) return undefined;
    serving.boxes += 1;
    return serving;
  }

  #isSpent({ boxes, sinceMs }: Serving): boolean {
    return boxes >= BOXES_OF_TEMPLATE - EARLY || this.#parts.nowMs() - sinceMs >= OLD_MS;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#idleTimer);
    const gone = this.#serving?.template.gone;
    if (this.#serving !== undefined) this.#retire(this.#serving);
    await Promise.all([gone, this.#starting]);
  }

  /** It ends when it has made what it was asked for. */
  #retire(serving: Serving): void {
    serving.isRetired = true;
    if (this.#serving === serving) this.#serving = undefined;
    if (serving.underWay === 0) serving.template.close();
  }

  #startNext(): void {
    if (this.#starting !== undefined || this.#isClosed) return;
    if (this.#parts.nowMs() < this.#notBeforeMs) return;
    const { firstNumber } = this.#parts;
    const isFirst = this.#serving === undefined || this.#serving.number !== firstNumber;
    const number = isFirst ? firstNumber : firstNumber + 1;
    this.#starting = this.#parts
      .start(number)
      .then(
        (template) => {
          const sinceMs = this.#parts.nowMs();
          this.#begin({ template, number, sinceMs, boxes: 0, underWay: 0, isRetired: false });
        },
        () => {
          this.#notBeforeMs = this.#parts.nowMs() + AGAIN_MS;
        },
      )
      .finally(() => {
        this.#starting = undefined;
      });
  }

  #begin(next: Serving): void {
    if (this.#serving !== undefined) this.#retire(this.#serving);
    if (this.#isClosed) {
      this.#retire(next);
      return;
    }
    this.#serving = next;
    // With its keeper, for example.
    void next.template.gone.then(() => {
      if (this.#serving === next) this.#serving = undefined;
    });
    this.#idleTimer ??= setTimeout(() => this.#endIfIdle(), IDLE_MS).unref();
  }

  #endIfIdle(): void {
    const leftMs = this.#takenAtMs + IDLE_MS - this.#parts.nowMs();
    if (leftMs <= 0 && this.#serving !== undefined) this.#retire(this.#serving);
    const isOver = this.#serving === undefined;
    this.#idleTimer = isOver ? undefined : setTimeout(() => this.#endIfIdle(), leftMs).unref();
  }
}
