/** Input for a program while it runs: Enter sends a line, Ctrl+D ends it, Ctrl+C interrupts. */
import type { AttachedJob } from "../../src/client/attach.ts";
import { button, byId, input } from "./dom.ts";

interface Wires {
  /** What was sent, to be shown among the output: there is no terminal that echoes it. */
  readonly onSent: (line: string) => void;
  readonly onFault: (fault: unknown) => void;
}

export class Typing {
  readonly #form = byId("typing", HTMLFormElement);
  readonly #line = input("typed");
  readonly #wires: Wires;
  #job: AttachedJob | undefined;

  constructor(wires: Wires) {
    this.#wires = wires;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    button("typed-end").addEventListener("click", () => this.#end());
    this.#line.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param job undefined when there is none to write to */
  open(job: AttachedJob | undefined): void {
    this.#job = job;
    if (job !== undefined) return;
    const hadFocus = this.#form.contains(document.activeElement);
    this.#form.hidden = true;
    this.#line.value = "";
    if (hadFocus) button(button("run").hidden ? "stop" : "run").focus();
  }

  /** Now that the program runs. */
  show(): void {
    this.#form.hidden = this.#job === undefined;
  }

  #send(): void {
    const line = `${this.#line.value}\n`;
    this.#line.value = "";
    this.#job?.write(line).then(undefined, this.#wires.onFault);
    this.#wires.onSent(line);
  }

  #end(): void {
    const job = this.#job;
    const rest = this.#line.value;
    this.#line.value = "";
    if (rest !== "") {
      job?.write(rest).then(undefined, this.#wires.onFault);
      this.#wires.onSent(rest);
    }
    job?.end().then(undefined, this.#wires.onFault);
    this.#form.hidden = true;
    button("stop").focus();
  }

  #key(event: KeyboardEvent): void {
    if (!event.ctrlKey || event.altKey || event.metaKey) return;
    const { selectionStart, selectionEnd } = this.#line;
    if (event.key === "d") this.#end();
    // With something selected it is the copying that the person wants.
    else if (event.key === "c" && selectionStart === selectionEnd) this.#job?.signal("SIGINT");
    else return;
    event.preventDefault();
  }
}
