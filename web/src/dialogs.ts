/** The two dialogs: which server, and the link to share. */
import type { SandrunClient } from "../../src/client/client.ts";
import { showPath } from "../../src/core/paths.ts";
import type { Connection } from "./connection.ts";
import { button, byId, input, make } from "./dom.ts";
import type { Draft } from "./draft.ts";
import { linkOf } from "./link.ts";
import { serverAddress } from "./settings.ts";
import { quotaWords } from "./words.ts";

/** Buttons marked `data-close` close the dialog that they stand in. */
export function armDialogs(): void {
  for (const close of document.querySelectorAll("dialog [data-close]")) {
    close.addEventListener("click", () => close.closest("dialog")?.close());
  }
}

export function serverDialog(connection: Connection): void {
  const dialog = byId("server-dialog", HTMLDialogElement);
  const address = input("server-url");
  const remember = input("remember");
  const error = byId("server-error", HTMLElement);
  byId("server-form", HTMLFormElement).addEventListener("submit", (event) => {
    const server = serverAddress(address.value.trim());
    if (server === undefined) {
      event.preventDefault();
      error.textContent = "That is no address of a server: it looks like https://host:8443.";
      return;
    }
    connection.change({ ...connection.settings, server, remember: remember.checked });
  });
  button("server").addEventListener("click", () => {
    const { server, remember: remembers } = connection.settings;
    address.value = server;
    remember.checked = remembers;
    error.textContent = "";
    // What it says of itself is an addition: the dialog is for when it does not answer, too.
    showFacts(connection.client).catch(() => undefined);
    dialog.showModal();
  });
}

async function showFacts(client: SandrunClient): Promise<void> {
  const list = byId("server-facts", HTMLDListElement);
  list.replaceChildren();
  const [health, stats] = await Promise.all([client.health(), client.stats()]);
  const rows = [
    [
      "State",
      showPath(health.reason === undefined ? health.status : `${health.status}: ${health.reason}`),
    ],
    ["Use", quotaWords(stats)],
  ];
  list.replaceChildren(
    ...rows.flatMap(([name = "", value = ""]) => [
      make("dt", { text: name }),
      make("dd", { text: value }),
    ]),
  );
}

/** @param hasFiles files do not fit in a link, and the person should know */
export function shareDialog(draft: () => Draft, hasFiles: () => boolean): void {
  const dialog = byId("share-dialog", HTMLDialogElement);
  const link = input("share-link");
  const note = byId("share-note", HTMLElement);
  const error = byId("share-error", HTMLElement);
  const open = async () => {
    link.value = "";
    error.textContent = "";
    note.textContent = hasFiles()
      ? "The program and its settings stand in the link itself; the added files do not."
      : "The program and its settings stand in the link itself: no server keeps them.";
    try {
      link.value = await linkOf(location.href.split("#")[0] ?? "", draft());
    } catch (fault) {
      if (!(fault instanceof RangeError)) throw fault;
      error.textContent = "This program is too long for a link.";
    }
    dialog.showModal();
    link.select();
    link.scrollLeft = 0;
  };
  button("share").addEventListener("click", () => {
    open().catch((fault: unknown) => {
      error.textContent = String(fault);
    });
  });
  button("share-copy").addEventListener("click", () => {
    link.select();
    navigator.clipboard.writeText(link.value).then(
      () => {
        note.textContent = "Copied.";
      },
      () => {
        note.textContent = "This browser does not let pages copy: press Ctrl+C.";
      },
    );
  });
}
