/**
 * Makes boxes of a kind: empty ones, and those in which a program waits, which a template forks where
 * there is one.
 */
import { BOX_LIMITS } from "../core/limits.ts";
import type { BoxRequest } from "../core/wire.ts";
import { Box } from "./box.ts";
import { encodeHold, forkedPrograms, type HeldProgram, parseKind } from "./held.ts";
import { NUMBERS_OF_KIND, startTemplate, Templates } from "./template.ts";

export interface MakerOptions {
  /** Path of the keeper's socket. */
  readonly keeper: string;
  /** Cores that a job gets. */
  readonly cpus: number;
  /** Whether there are templates. */
  readonly forks: boolean;
}

export class BoxMaker {
  readonly #options: MakerOptions;
  /** By the language of their program. */
  readonly #templates: ReadonlyMap<string, Templates>;
  readonly #scratch = Box.makeScratch();
  /** Payloads of HOLD, by kind. */
  readonly #holds = new Map<string, Uint8Array>();

  constructor(options: MakerOptions) {
    const { keeper, cpus, forks } = options;
    this.#options = options;
    this.#templates = new Map(
      (forks ? forkedPrograms() : []).map((program, index) => [
        program.language.name,
        new Templates({
          firstNumber: NUMBERS_OF_KIND * index,
          start: (number) => startTemplate(keeper, number, encodeHold(program, cpus)),
          nowMs: () => performance.now(),
        }),
      ]),
    );
  }

  /** @throws SandboxFault with the step that failed; nothing of the box is left then */
  async make(slot: number, kind: string): Promise<Box> {
    const { environment, held } = parseKind(kind);
    const request = { slot, environment, ...BOX_LIMITS };
    if (held === undefined) return this.#build(request);
    const hold = this.#holdOf(kind, held);
    const templates = environment === 0 ? this.#templates.get(held.language.name) : undefined;
    const forked = await templates?.fork((warmFrom) => this.#build({ ...request, warmFrom }, hold));
    return forked ?? this.#build(request, hold);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#templates.values()].map((one) => one.close()));
  }

  #build(request: BoxRequest, hold?: Uint8Array): Promise<Box> {
    return Box.build(this.#options.keeper, request, hold, this.#scratch);
  }

  #holdOf(kind: string, held: HeldProgram): Uint8Array {
    const hold = this.#holds.get(kind) ?? encodeHold(held, this.#options.cpus);
    this.#holds.set(kind, hold);
    return hold;
  }
}
