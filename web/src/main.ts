/** Puts the page together. */
import type { Environments } from "../../src/client/answers.ts";
import { showPath } from "../../src/core/paths.ts";
import { Connection } from "./connection.ts";
import { armDialogs, serverDialog, shareDialog } from "./dialogs.ts";
import { button, byId } from "./dom.ts";
import { openEditor } from "./editor.ts";
import { EXAMPLES } from "./examples.ts";
import { Form } from "./form.ts";
import { draftOf, looksLikeLink } from "./link.ts";
import { Notice } from "./notice.ts";
import { Result } from "./result.ts";
import { usualServer } from "./settings.ts";
import { armTheme } from "./theme.ts";
import { openTray } from "./trayView.ts";

function start(): void {
  const notice = new Notice(byId("notice", HTMLElement));
  const fault = (thrown: unknown) => notice.tellFault(thrown, connection.server);
  const tray = openTray(fault, () => form.showStart());
  const editor = openEditor(byId("editor", HTMLElement), () => notice.clear());
  const form = new Form(editor, tray);
  const highlight = () => {
    editor.setLanguage(form.interpreter).catch(fault);
  };
  const onOffer = (offer: Environments) => {
    notice.clearFault();
    const missing = form.offer(offer);
    if (missing !== undefined) {
      notice.tell(`This server has no ${showPath(missing)}; choose another language.`);
    }
    showExamples(form);
    highlight();
  };
  const connection = new Connection(usualServer(), { onOffer, onFault: fault });
  const result = new Result({ connection, form, notice });

  byId("interpreter", HTMLSelectElement).addEventListener("change", highlight);
  button("skip").addEventListener("click", () => editor.focus());
  armRunKeys(() => result.run());
  armDialogs();
  serverDialog(connection);
  shareDialog(
    () => form.draft,
    () => tray.all.length > 0,
  );
  armTheme(
    () => connection.settings.theme,
    (theme) => connection.change({ ...connection.settings, theme }),
  );
  armExamples(form, highlight);
  const [first] = EXAMPLES;
  if (first !== undefined) form.draft = first.draft;
  const openLink = () => readLink(form, notice).then(highlight);
  window.addEventListener("hashchange", () => openLink().catch(fault));
  openLink().then(() => connection.connect(), fault);
}

/** The program that stands in the page's address, if there is one. It is shown and not run. */
async function readLink(form: Form, notice: Notice): Promise<void> {
  if (!looksLikeLink(location.hash)) return;
  const draft = await draftOf(location.hash);
  if (draft === undefined) {
    notice.tell("This link is broken: its program cannot be read.");
    return;
  }
  form.draft = draft;
  notice.tell("A program from a link. It runs when you say so; read it first.", "plain");
}

/** From everywhere in the page; before the editor, which has a use of its own for it. */
function armRunKeys(onRun: () => void): void {
  const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);
  if (isApple) byId("run-keys", HTMLElement).textContent = "⌘ ⏎";
  const take = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    if (document.querySelector("dialog[open]") !== null) return;
    event.preventDefault();
    event.stopPropagation();
    onRun();
  };
  window.addEventListener("keydown", take, { capture: true });
}

/** Those that this server can run. */
function showExamples(form: Form): void {
  for (const option of byId("examples", HTMLSelectElement).options) {
    const example = EXAMPLES[Number(option.value || Number.NaN)];
    option.hidden = example !== undefined && !form.has(example.draft.interpreter);
  }
}

function armExamples(form: Form, onOpen: () => void): void {
  const examples = byId("examples", HTMLSelectElement);
  examples.append(...EXAMPLES.map(({ title }, index) => new Option(title, String(index))));
  examples.addEventListener("change", () => {
    const example = EXAMPLES[Number(examples.value)];
    examples.value = "";
    if (example === undefined) return;
    form.draft = example.draft;
    onOpen();
  });
}

start();
