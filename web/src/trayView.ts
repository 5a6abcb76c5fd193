/** The files that go with the program: choose, drop, list, remove. */
import { showPath } from "../../src/core/paths.ts";
import { button, byId, input, make, sizeText } from "./dom.ts";
import { dropped, FileTray, isArchive, picked } from "./files.ts";

const SHOWN = 60;

/** @param onFault is told what cannot be taken */
export function openTray(onFault: (fault: unknown) => void, onChange: () => void): FileTray {
  const list = byId("file-list", HTMLUListElement);
  const tray = new FileTray(() => {
    draw(list, tray);
    onChange();
  });
  const take = (work: () => void) => {
    try {
      work();
    } catch (fault) {
      onFault(fault);
    }
  };
  for (const [open, picker] of [
    ["add-files", "pick-files"],
    ["add-folder", "pick-folder"],
  ] as const) {
    const chooser = input(picker);
    button(open).addEventListener("click", () => chooser.click());
    chooser.addEventListener("change", () => {
      take(() => tray.add(picked(chooser.files)));
      chooser.value = "";
    });
  }
  watchDrops((transfer) => {
    dropped(transfer).then((files) => take(() => tray.add(files)), onFault);
  });
  return tray;
}

function draw(list: HTMLElement, tray: FileTray): void {
  const files = tray.all;
  const rows = files.slice(0, SHOWN).map(({ path, blob }) => {
    const name = showPath(path);
    const remove = make("button", {
      class: "remove",
      text: "×",
      attributes: { "aria-label": `Remove ${name}` },
      onClick: () => {
        tray.remove(path);
        button("add-files").focus();
      },
    });
    const hint = isArchive(path) ? `${sizeText(blob.size)}, unpacked there` : sizeText(blob.size);
    return make("li", {}, [make("span", { text: name }), make("small", { text: hint }), remove]);
  });
  if (files.length > 1) {
    const clear = make("button", {
      class: "small",
      text: "Remove all",
      onClick: () => tray.clear(),
    });
    const more = files.length > SHOWN ? `and ${files.length - SHOWN} more, ` : "";
    const sum = make("small", { text: `${more}${sizeText(tray.bytes)} in all` });
    rows.push(make("li", { class: "sum" }, [sum, clear]));
  }
  list.replaceChildren(...rows);
}

function watchDrops(onDrop: (transfer: DataTransfer) => void): void {
  const veil = byId("drop", HTMLElement);
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
  window.addEventListener("dragenter", (event) => {
    if (hasFiles(event)) veil.hidden = false;
  });
  window.addEventListener(
    "dragover",
    (event) => {
      if (hasFiles(event)) event.preventDefault();
    },
    { capture: true },
  );
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) veil.hidden = true;
  });
  // Capturing: the editor would take a dropped file's text into the program.
  window.addEventListener(
    "drop",
    (event) => {
      veil.hidden = true;
      if (!hasFiles(event) || event.dataTransfer === null) return;
      event.preventDefault();
      event.stopPropagation();
      onDrop(event.dataTransfer);
    },
    { capture: true },
  );
}
