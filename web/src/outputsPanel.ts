/** The list of output files: look into one, save one, save all. */
import type { SandrunClient } from "../../src/client/client.ts";
import { showPath } from "../../src/core/paths.ts";
import { make, sizeText } from "./dom.ts";
import { fetchAll, fetchOne, type Listed } from "./held.ts";
import { type Preview, previewOf } from "./preview.ts";
import { saveBlob } from "./save.ts";
import type { Outputs } from "./session.ts";

/** More rows than these make no list that a person reads; the archive has all. */
const MOST_ROWS = 200;

export class OutputsPanel {
  readonly #host: HTMLElement;
  readonly #onFault: (fault: unknown) => void;
  #previews: Preview[] = [];
  #timer: number | undefined;

  constructor(host: HTMLElement, onFault: (fault: unknown) => void) {
    this.#host = host;
    this.#onFault = onFault;
  }

  clear(): void {
    window.clearInterval(this.#timer);
    for (const preview of this.#previews) preview.close();
    this.#previews = [];
    this.#host.replaceChildren();
    this.#host.hidden = true;
  }

  show(outputs: Outputs, client: SandrunClient): void {
    this.clear();
    const { list, held } = outputs;
    const count = list.length === 1 ? "1 output file" : `${list.length} output files`;
    const all = make("button", {
      text: "Download all",
      onClick: () => this.#do(this.#saveAll(outputs, client)),
    });
    const head = make("div", { class: "outputs-head" }, [make("h2", { text: count }), all]);
    const get = async (file: Listed) =>
      held?.files.get(file.path) ?? (await fetchOne(client, outputs.jobId, file));
    const first = mostLikely(list);
    const rows = list
      .slice(0, MOST_ROWS)
      .map((file, index) => this.#row(file, index, get, held !== undefined && index === first));
    this.#host.append(head, make("ul", {}, rows));
    if (held === undefined) this.#countDown(outputs.expiresAtMs);
    if (list.length > MOST_ROWS) {
      this.#host.append(make("p", { class: "hint", text: `and ${list.length - MOST_ROWS} more` }));
    }
    this.#host.hidden = false;
  }

  #row(
    file: Listed,
    index: number,
    get: (file: Listed) => Promise<Blob>,
    isFirst: boolean,
  ): HTMLElement {
    const name = showPath(file.path);
    const area = make("div", { class: "preview", attributes: { id: `preview-${index}` } });
    area.hidden = true;
    const toggle = make("button", {
      class: "file-name",
      attributes: { "aria-expanded": "false", "aria-controls": area.id },
      onClick: () => this.#do(this.#toggle(toggle, area, file, get)),
    });
    toggle.append(
      make("span", { class: "path", text: name }),
      make("span", { class: "size", text: sizeText(file.size) }),
    );
    const save = make("button", {
      class: "small",
      text: "Download",
      attributes: { "aria-label": `Download ${name}` },
      onClick: () => this.#do(get(file).then((blob) => saveBlob(blob, file.path))),
    });
    if (isFirst) this.#do(this.#toggle(toggle, area, file, get));
    return make("li", {}, [make("div", { class: "file-row" }, [toggle, save]), area]);
  }

  async #toggle(
    toggle: HTMLElement,
    area: HTMLElement,
    file: Listed,
    get: (file: Listed) => Promise<Blob>,
  ): Promise<void> {
    const opens = area.hidden;
    toggle.setAttribute("aria-expanded", String(opens));
    area.hidden = !opens;
    if (!opens || area.hasChildNodes()) return;
    const preview = await previewOf(file.path, await get(file));
    if (preview === undefined) {
      area.append(
        make("p", { class: "hint", text: "Nothing to show of this kind of file; download it." }),
      );
      return;
    }
    this.#previews.push(preview);
    area.append(preview.element);
  }

  async #saveAll({ held, jobId, list }: Outputs, client: SandrunClient): Promise<void> {
    const all = held ?? (await fetchAll(client, jobId, list, AbortSignal.timeout(600_000)));
    saveBlob(all.archive, "sandrun-outputs.tar.gz");
  }

  #countDown(expiresAtMs: number): void {
    const text = make("p", { class: "hint", attributes: { role: "timer" } });
    this.#host.append(text);
    const tell = () => {
      const left = Math.ceil((expiresAtMs - Date.now()) / 1000);
      text.textContent =
        left > 0
          ? `These are large, so they stay on the server: it forgets them in ${left} s.`
          : "The server has forgotten these files.";
      if (left <= 0) window.clearInterval(this.#timer);
    };
    tell();
    this.#timer = window.setInterval(tell, 1000);
  }

  #do(work: Promise<unknown>): void {
    work.then(undefined, this.#onFault);
  }
}

/** What the person most likely ran the program for: a picture, else a table, else the first file. */
function mostLikely(list: readonly Listed[]): number {
  const picture = list.findIndex(({ path }) => /\.(png|jpe?g|gif|webp|avif|svg)$/i.test(path));
  if (picture >= 0) return picture;
  return Math.max(
    0,
    list.findIndex(({ path }) => /\.(csv|tsv)$/i.test(path)),
  );
}
