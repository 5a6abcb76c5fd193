/** The line below the bar that says what went wrong and what to do. */
import { ApiError } from "../../src/client/errors.ts";
import { showPath } from "../../src/core/paths.ts";
import { BadField } from "./draft.ts";
import { TooMuch } from "./files.ts";

export class Notice {
  readonly #line: HTMLElement;

  constructor(line: HTMLElement) {
    this.#line = line;
  }

  clear(): void {
    this.#line.hidden = true;
    this.#line.textContent = "";
  }

  /** The server answers again; what was said about anything else stays. */
  clearFault(): void {
    if (this.#line.dataset["about"] === "server") this.clear();
  }

  /** @param about the server, when its next answer makes this line untrue */
  tell(text: string, tone: "bad" | "plain" = "bad", about: "server" | "page" = "page"): void {
    this.#line.dataset["about"] = about;
    this.#line.textContent = text;
    this.#line.dataset["tone"] = tone;
    this.#line.hidden = false;
  }

  tellFault(fault: unknown, server: string): void {
    if (fault instanceof BadField) document.getElementById(fault.field)?.focus();
    const isOurs = fault instanceof BadField || fault instanceof TooMuch;
    this.tell(faultWords(fault, server), "bad", isOurs ? "page" : "server");
  }
}

export function faultWords(fault: unknown, server: string): string {
  if (fault instanceof BadField || fault instanceof TooMuch) return fault.message;
  if (fault instanceof ApiError) {
    if (fault.code === "bad_answer") return `What answers at ${server} is not a Sandrun server.`;
    const details = fault.details === undefined ? "" : ` ${showPath(fault.details)}`;
    const later = fault.retryAfter === undefined ? "" : ` Try again in ${fault.retryAfter} s.`;
    return `${showPath(fault.message)}${details}${later}`;
  }
  // What fetch throws tells nothing about why, on purpose.
  if (fault instanceof TypeError) {
    return (
      `No answer from ${server}. Look whether the address is right. If the server made its own ` +
      `certificate, open ${server}/health in a tab and trust it there.`
    );
  }
  return fault instanceof Error ? showPath(fault.message) : "Something went wrong.";
}
