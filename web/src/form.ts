/** The fields around the editor, read and written as a draft. */
import type { Environments } from "../../src/client/answers.ts";
import type { NewJob } from "../../src/client/jobs.ts";
import { byId, input, make } from "./dom.ts";
import { BadField, type Draft, manifestOf } from "./draft.ts";
import type { Editor } from "./editor.ts";
import type { FileTray } from "./files.ts";

const LINES = ["args", "input", "env"] as const;
const WORDS = ["timeout", "memory", "cpu", "patterns"] as const;

/** A server that offers more is none of ours. */
const MOST_CHOICES = 500;

export class Form {
  readonly #editor: Editor;
  readonly #tray: FileTray;
  readonly #interpreter = byId("interpreter", HTMLSelectElement);
  readonly #environment = byId("environment", HTMLSelectElement);
  readonly #start = input("start");
  #offer: Environments = { interpreters: [], environments: [] };
  /** Kept for the server that is asked next. */
  #wanted: string | undefined;
  #wantedEnvironment = "";

  constructor(editor: Editor, tray: FileTray) {
    this.#editor = editor;
    this.#tray = tray;
    this.#interpreter.addEventListener("change", () => {
      this.#wanted = this.#interpreter.value;
    });
    this.#environment.addEventListener("change", () => {
      this.#wantedEnvironment = this.#environment.value;
    });
  }

  get interpreter(): string {
    return this.#interpreter.value;
  }

  /**
   * What a server offers; the choice stays when it is there too.
   * @returns the interpreter that was wanted and is not there
   */
  offer(offer: Environments): string | undefined {
    this.#offer = offer;
    this.#interpreter.replaceChildren(
      ...offer.interpreters
        .slice(0, MOST_CHOICES)
        .map(({ name, version }) => option(name, version === "" ? name : `${name} ${version}`)),
    );
    this.#environment.replaceChildren(
      option("", "standard"),
      ...offer.environments.slice(0, MOST_CHOICES).map(({ name }) => option(name, name)),
    );
    byId("environment-field", HTMLElement).hidden = offer.environments.length === 0;
    this.#chooseEnvironment();
    return this.#choose() ? undefined : this.#wanted;
  }

  has(interpreter: string): boolean {
    return this.#offer.interpreters.some(({ name }) => name === interpreter);
  }

  get draft(): Draft {
    const fields = [...LINES, ...WORDS].flatMap((id) => {
      const { value } = field(id);
      return value === "" ? [] : [[id, value] as const];
    });
    const { value: environment } = this.#environment;
    return {
      code: this.#editor.text,
      interpreter: this.interpreter,
      ...(environment === "" ? {} : { environment }),
      ...Object.fromEntries(fields),
    };
  }

  set draft(draft: Draft) {
    this.#editor.text = draft.code;
    this.#wanted = draft.interpreter;
    this.#wantedEnvironment = draft.environment ?? "";
    this.#choose();
    this.#chooseEnvironment();
    for (const id of [...LINES, ...WORDS]) field(id).value = draft[id] ?? "";
    const used = [...LINES, ...WORDS].some((id) => draft[id] !== undefined);
    byId("more", HTMLDetailsElement).open = used;
  }

  /** @throws BadField */
  job(): NewJob {
    const { code, ...rest } = this.draft;
    const manifest = manifestOf({ code, ...rest });
    const files = this.#tray.all;
    const start = this.#start.value.trim();
    if (code.trim() === "" && files.length === 0)
      throw new BadField("editor", "There is nothing to run yet: write a program or add files.");
    if (files.length === 0) return { ...manifest, code };
    const sent = files.map(({ path, blob }) => ({ name: path, bytes: blob }));
    if (start !== "" || code.trim() === "") {
      // Files say by their ending what runs them.
      const { interpreter: _, ...others } = manifest;
      return {
        files: sent,
        manifest: { ...others, ...(start === "" ? {} : { entrypoint: start }) },
      };
    }
    const main = this.#mainName(files.map(({ path }) => path));
    const bytes = new TextEncoder().encode(code);
    return { files: [...sent, { name: main, bytes }], manifest: { ...manifest, entrypoint: main } };
  }

  /** Names of files that can be started. */
  showStart(): void {
    const files = this.#tray.all;
    byId("start-field", HTMLElement).hidden = files.length === 0;
    if (files.length === 0) this.#start.value = "";
    byId("start-choices", HTMLDataListElement).replaceChildren(
      ...files.slice(0, 200).map(({ path }) => option(path, path)),
    );
  }

  #mainName(taken: readonly string[]): string {
    const info = this.#offer.interpreters.find(({ name }) => name === this.interpreter);
    const ending = info?.extensions[0] ?? "";
    for (let count = 0; ; count += 1) {
      const name = `main${count === 0 ? "" : count}${ending}`;
      if (!taken.includes(name)) return name;
    }
  }

  #chooseEnvironment(): void {
    const isThere = this.#offer.environments.some(({ name }) => name === this.#wantedEnvironment);
    this.#environment.value = isThere ? this.#wantedEnvironment : "";
  }

  /** An alias is understood. @returns false when this server lacks what is wanted */
  #choose(): boolean {
    const wanted = this.#wanted;
    if (wanted === undefined) return true;
    const found = this.#offer.interpreters.find(
      ({ name, aliases }) => name === wanted || aliases.includes(wanted),
    );
    if (found !== undefined) this.#interpreter.value = found.name;
    return found !== undefined;
  }
}

function field(
  id: (typeof LINES)[number] | (typeof WORDS)[number],
): HTMLInputElement | HTMLTextAreaElement {
  const found = document.getElementById(id);
  if (found instanceof HTMLInputElement || found instanceof HTMLTextAreaElement) return found;
  throw new Error(`the page has no field #${id}`);
}

function option(value: string, text: string): HTMLOptionElement {
  return make("option", { text, attributes: { value } });
}
