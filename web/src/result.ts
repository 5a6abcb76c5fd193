/** The right side: what runs, what it prints, how it ended, what it made. */
import type { Stats } from "../../src/client/answers.ts";
import type { SandrunClient } from "../../src/client/client.ts";
import { isFilesJob, type ManifestFields, type NewJob } from "../../src/client/jobs.ts";
import type { Connection } from "./connection.ts";
import { button, byId, sizeText } from "./dom.ts";
import type { Form } from "./form.ts";
import type { Notice } from "./notice.ts";
import { OutputsPanel } from "./outputsPanel.ts";
import { saveBlob } from "./save.ts";
import { Screen, type StreamName } from "./screen.ts";
import { type Outputs, Session, type SessionView } from "./session.ts";
import { Typing } from "./typing.ts";
import {
  isQuotaUsedUp,
  metricsWords,
  outcomeWords,
  quotaWords,
  seconds,
  type Tone,
  waitingWords,
} from "./words.ts";

interface Parts {
  readonly connection: Connection;
  readonly form: Form;
  readonly notice: Notice;
}

export class Result {
  readonly #parts: Parts;
  readonly #state = byId("state", HTMLElement);
  readonly #facts = byId("facts", HTMLElement);
  readonly #empty = byId("empty", HTMLElement);
  readonly #tools = byId("console-tools", HTMLElement);
  readonly #screen = new Screen(byId("terminal", HTMLElement));
  readonly #outputs: OutputsPanel;
  readonly #typing: Typing;
  #session: Session | undefined;
  #clock: number | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#outputs = new OutputsPanel(byId("outputs", HTMLElement), (fault) =>
      this.#tellFault(fault),
    );
    this.#typing = new Typing({
      onSent: (line) => this.#print("page", line),
      onFault: (fault) => this.#tellFault(fault),
    });
    button("run").addEventListener("click", () => this.run());
    button("stop").addEventListener("click", () => this.#stop());
    button("copy").addEventListener("click", () => this.#copy());
    button("save").addEventListener("click", () => saveBlob(this.#screen.printed, "output.txt"));
    // Whoever leaves does not want the result: the server need not run it to its end.
    window.addEventListener("pagehide", () => {
      this.#session?.forget().catch(() => undefined);
    });
  }

  run(): void {
    if (this.#session !== undefined) return;
    let job: NewJob;
    try {
      job = this.#parts.form.job();
    } catch (fault) {
      this.#tellFault(fault);
      return;
    }
    this.#parts.notice.clear();
    this.#clear();
    const client = this.#parts.connection.client;
    const session = new Session(client, this.#view(client, isFilesJob(job) ? job.manifest : job));
    this.#session = session;
    this.#busy(true);
    // On a phone the result lies below the program.
    if (matchMedia("(max-width: 860px)").matches) {
      byId("result", HTMLElement).scrollIntoView({ block: "start" });
    }
    this.#say(sendingWords(job), "plain");
    session.run(job).then(
      () => this.#end(session),
      (fault: unknown) => this.#end(session, fault),
    );
  }

  #view(client: SandrunClient, manifest: ManifestFields): SessionView {
    return {
      waiting: (position: number) => this.#say(waitingWords(position), "plain"),
      quota: (stats: Stats) => {
        if (isQuotaUsedUp(stats)) this.#say("Waiting for your CPU quota", "plain");
        this.#facts.textContent = quotaWords(stats);
      },
      running: () => {
        this.#say("Running", "plain");
        this.#typing.show();
        this.#tick();
      },
      printed: (stream, text, bytes) => {
        this.#screen.keep(bytes);
        this.#print(stream, text);
      },
      cut: () => this.#print("page", "\n[more was printed than is kept: the rest does not come]\n"),
      input: (input) => this.#typing.open(isInteractive(manifest) ? input : undefined),
      ended: ({ outcome }, metrics, files) => {
        window.clearInterval(this.#clock);
        const { text, tone } = outcomeWords(outcome, manifest);
        this.#say(text, tone);
        this.#facts.textContent = metricsWords(metrics);
        this.#emptyWords(files);
      },
      outputs: (outputs: Outputs) => this.#outputs.show(outputs, client),
    };
  }

  #print(stream: StreamName, text: string): void {
    this.#empty.hidden = true;
    this.#tools.hidden = false;
    this.#screen.write(stream, text);
  }

  #emptyWords(files: number): void {
    if (!this.#screen.isEmpty) return;
    this.#empty.hidden = false;
    this.#empty.replaceChildren(
      files > 0 ? "It printed nothing; its files are below." : "It printed nothing.",
    );
  }

  #clear(): void {
    this.#screen.clear();
    this.#outputs.clear();
    this.#facts.textContent = "";
    this.#empty.hidden = true;
    this.#tools.hidden = true;
  }

  #tick(): void {
    window.clearInterval(this.#clock);
    const startedMs = performance.now();
    const show = () => {
      this.#facts.textContent = seconds(Math.floor((performance.now() - startedMs) / 1000));
    };
    show();
    this.#clock = window.setInterval(show, 1000);
  }

  #stop(): void {
    const session = this.#session;
    session?.stop().catch((fault: unknown) => this.#tellFault(fault));
  }

  #end(session: Session, fault?: unknown): void {
    if (this.#session !== session) return;
    window.clearInterval(this.#clock);
    this.#session = undefined;
    this.#busy(false);
    if (session.wasStopped) {
      this.#say("Stopped; the server has destroyed the job", "plain");
      this.#emptyWords(0);
    } else if (fault !== undefined) {
      this.#say("Not run to its end", "bad");
      this.#tellFault(fault);
    }
  }

  /** Focus stays on the button that took the place of the one pressed. */
  #busy(isBusy: boolean): void {
    const [run, stop] = [button("run"), button("stop")];
    const hadFocus = document.activeElement === (isBusy ? run : stop);
    run.hidden = isBusy;
    stop.hidden = !isBusy;
    this.#state.classList.toggle("busy", isBusy);
    if (hadFocus) (isBusy ? stop : run).focus();
  }

  #say(text: string, tone: Tone): void {
    // Said again, it would be read out again.
    if (this.#state.textContent === text) return;
    this.#state.textContent = text;
    this.#state.dataset["tone"] = tone;
  }

  #tellFault(fault: unknown): void {
    if (fault instanceof DOMException && fault.name === "AbortError") return;
    this.#parts.notice.tellFault(fault, this.#parts.connection.server);
  }

  #copy(): void {
    const done = (word: string) => {
      button("copy").textContent = word;
      window.setTimeout(() => {
        button("copy").textContent = "Copy";
      }, 1500);
    };
    const text = this.#screen.printed.text();
    text
      .then((all) => navigator.clipboard.writeText(all))
      .then(
        () => done("Copied"),
        () => done("Not allowed"),
      );
  }
}

function isInteractive(manifest: ManifestFields): boolean {
  return manifest.interactive === true;
}

function sendingWords(job: NewJob): string {
  if (!isFilesJob(job)) return "Sending";
  const bytes = job.files.reduce((sum, file) => {
    return sum + (file.bytes instanceof Blob ? file.bytes.size : file.bytes.length);
  }, 0);
  return bytes < 1_000_000 ? "Sending" : `Sending ${sizeText(bytes)}`;
}
