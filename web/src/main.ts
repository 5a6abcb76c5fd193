/** Puts the page together. */
import { SandrunClient } from "../../src/client/client.ts";
import { armDialogs, serverDialog, shareDialog } from "./dialogs.ts";
import { button, byId } from "./dom.ts";
import { openEditor } from "./editor.ts";
import { EXAMPLES } from "./examples.ts";
import { Form } from "./form.ts";
import { draftOf, looksLikeLink } from "./link.ts";
import { Notice } from "./notice.ts";
import { Result } from "./result.ts";
import { keepSettings, loadSettings, type Settings, usualServer } from "./settings.ts";
import { armTheme } from "./theme.ts";
import { openTray } from "./trayView.ts";

function start(): void {
  const usual = usualServer();
  let settings = loadSettings(usual);
  let client = new SandrunClient({ server: settings.server });
  const notice = new Notice(byId("notice", HTMLElement));
  const fault = (thrown: unknown) => notice.tellFault(thrown, settings.server);

  const tray = openTray(fault, () => form.showStart());
  const editor = openEditor(byId("editor", HTMLElement), () => notice.clear());
  const form = new Form(editor, tray);
  const result = new Result({ client: () => client, form, notice, server: () => settings.server });

  const change = (changed: Settings) => {
    const isOther = changed.server !== settings.server;
    settings = changed;
    keepSettings(settings);
    if (!isOther) return;
    client = new SandrunClient({ server: settings.server });
    connect();
  };

  const dialog = serverDialog(
    () => settings,
    () => client,
    change,
  );
  button("server").addEventListener("click", () => dialog.open());
  button("skip").addEventListener("click", () => editor.focus());
  armRunKeys(() => result.run());
  armDialogs();
  shareDialog(
    () => form.draft,
    () => tray.all.length > 0,
  );
  armTheme(
    () => settings.theme,
    (theme) => change({ ...settings, theme }),
  );

  const interpreter = byId("interpreter", HTMLSelectElement);
  const highlight = () => editor.setLanguage(interpreter.value).catch(fault);
  interpreter.addEventListener("change", highlight);

  const connect = () => {
    const asked = client;
    showServer("asking", settings.server);
    client.environments().then(
      (offer) => {
        if (asked !== client) return;
        showServer("there", settings.server);
        notice.clearFault();
        form.offer(offer);
        offerExamples(form);
        if (pending !== undefined) form.draft = pending;
        pending = undefined;
        return highlight();
      },
      (thrown: unknown) => {
        if (asked !== client) return;
        showServer("gone", settings.server);
        fault(thrown);
      },
    );
  };

  let pending = EXAMPLES[0]?.draft as import("./draft.ts").Draft | undefined;
  armExamples(form, highlight);
  const openLink = async () => {
    if (!looksLikeLink(location.hash)) return;
    const draft = await draftOf(location.hash);
    if (draft === undefined) return notice.tell("This link is broken: its program cannot be read.");
    form.draft = draft;
    pending = draft;
    await highlight();
    notice.tell("A program from a link. It runs when you say so; read it first.", "plain");
  };
  window.addEventListener("hashchange", () => openLink().catch(fault));
  openLink().then(connect, fault);
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

function showServer(state: "asking" | "there" | "gone", server: string): void {
  const shown = server.replace(/^https?:\/\//, "");
  const open = button("server");
  open.dataset["state"] = state;
  const words = { asking: "connecting", there: "connected", gone: "no answer" }[state];
  open.setAttribute("aria-label", `Server ${shown}, ${words}`);
  open.title = `Server ${server}: ${words}`;
  byId("server-name", HTMLElement).textContent = shown;
  byId("empty-server", HTMLElement).textContent = shown;
}

function offerExamples(form: Form): void {
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
