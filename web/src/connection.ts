/** The server that the page uses: its address, what it offers, whether it answers. */
import type { Environments } from "../../src/client/answers.ts";
import { SandrunClient } from "../../src/client/client.ts";
import { button, byId } from "./dom.ts";
import { keepSettings, loadSettings, type Settings } from "./settings.ts";

interface Wires {
  readonly onOffer: (offer: Environments) => void;
  readonly onFault: (fault: unknown) => void;
}

export class Connection {
  readonly #wires: Wires;
  #settings: Settings;
  #client: SandrunClient;

  /** @param usual address, unless another one was to be remembered */
  constructor(usual: string, wires: Wires) {
    this.#wires = wires;
    this.#settings = loadSettings(usual);
    this.#client = new SandrunClient({ server: this.#settings.server });
  }

  get settings(): Settings {
    return this.#settings;
  }

  get client(): SandrunClient {
    return this.#client;
  }

  get server(): string {
    return this.#settings.server;
  }

  change(settings: Settings): void {
    const isOther = settings.server !== this.server;
    this.#settings = settings;
    keepSettings(settings);
    if (!isOther) return;
    this.#client = new SandrunClient({ server: settings.server });
    this.connect();
  }

  /** Asks what the server offers; an answer that comes after another server was chosen is dropped. */
  connect(): void {
    const asked = this.#client;
    const tell = (state: State, then: () => void) => {
      if (asked !== this.#client) return;
      showServer(state, this.server);
      then();
    };
    showServer("asking", this.server);
    asked.environments().then(
      (offer) => tell("there", () => this.#wires.onOffer(offer)),
      (fault: unknown) => tell("gone", () => this.#wires.onFault(fault)),
    );
  }
}

type State = "asking" | "there" | "gone";

const WORDS = { asking: "connecting", there: "connected", gone: "no answer" } as const;

function showServer(state: State, server: string): void {
  const shown = server.replace(/^https?:\/\//, "");
  const open = button("server");
  open.dataset["state"] = state;
  open.setAttribute("aria-label", `Server ${shown}, ${WORDS[state]}`);
  open.title = `Server ${server}: ${WORDS[state]}`;
  byId("server-name", HTMLElement).textContent = shown;
  byId("empty-server", HTMLElement).textContent = shown;
}
