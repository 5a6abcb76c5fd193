/** What the person has put into the page, as texts, and the manifest that it means. */
import type { ManifestFields } from "../../src/client/jobs.ts";

/** All fields but `code` are left out when they are empty. */
export interface Draft {
  readonly code: string;
  readonly interpreter?: string;
  readonly environment?: string;
  /** One a line. */
  readonly args?: string;
  readonly input?: string;
  /** NAME=value, one a line. */
  readonly env?: string;
  readonly timeout?: string;
  readonly memory?: string;
  readonly cpu?: string;
  /** Globs with blanks or commas between them. */
  readonly patterns?: string;
}

/** A field that cannot be used, in a sentence for the person. */
export class BadField extends Error {
  /** The id of its element. */
  readonly field: string;

  constructor(field: string, sentence: string) {
    super(sentence);
    this.field = field;
  }
}

/** @throws BadField */
export function manifestOf(draft: Draft): ManifestFields {
  const args = lines(draft.args);
  const env = environmentOf(draft.env);
  const outputs = (draft.patterns ?? "").split(/[\s,]+/).filter((glob) => glob !== "");
  const timeout = numberOf("timeout", draft.timeout);
  const memory = numberOf("memory", draft.memory);
  const cpu = numberOf("cpu", draft.cpu);
  return {
    ...(draft.interpreter ? { interpreter: draft.interpreter } : {}),
    ...(draft.environment ? { environment: draft.environment } : {}),
    ...(args.length === 0 ? {} : { args }),
    // Input that is given beforehand is all of it; without any, the person may type while it runs.
    ...(draft.input ? { stdin: draft.input } : { interactive: true }),
    ...(env === undefined ? {} : { env }),
    ...(outputs.length === 0 ? {} : { outputs }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(memory === undefined ? {} : { memory_mb: memory }),
    ...(cpu === undefined ? {} : { cpu_seconds: cpu }),
  };
}

function lines(text = ""): string[] {
  return text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
}

function environmentOf(text: string | undefined): Record<string, string> | undefined {
  const pairs = lines(text)
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const equals = line.indexOf("=");
      const name = line.slice(0, equals).trim();
      if (equals < 1 || !/^[A-Za-z_]\w*$/.test(name))
        throw new BadField("env", "Environment: write one NAME=value a line.");
      return [name, line.slice(equals + 1)] as const;
    });
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

function numberOf(field: string, text = ""): number | undefined {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  if (!Number.isFinite(value)) throw new BadField(field, `“${text}” is not a number.`);
  return value;
}
