/** What a check says. */
import type { Host } from "./host.ts";

/** Boxes cannot run · the host is weaker than it could be · worth knowing · nothing to do. */
export type Level = "error" | "warning" | "hint" | "fine";

/** How to mend it: a sentence, and commands to copy, exact and harmless. */
export interface Mend {
  readonly advice?: string;
  readonly commands?: readonly string[];
}

export interface Verdict extends Mend {
  readonly level: Level;
  /** What was seen; never a guess. */
  readonly says: string;
}

export interface Check {
  /** Stable, for programs that read the JSON: group.name */
  readonly id: string;
  readonly title: string;
  /** @returns undefined where the question does not arise, for example for root. */
  readonly look: (host: Host) => Verdict | undefined;
}

export interface Finding extends Verdict {
  readonly id: string;
  readonly title: string;
}

export function fine(says: string): Verdict {
  return { level: "fine", says };
}

export function hint(says: string, mend: Mend = {}): Verdict {
  return { level: "hint", says, ...mend };
}

export function warning(says: string, mend: Mend = {}): Verdict {
  return { level: "warning", says, ...mend };
}

export function error(says: string, mend: Mend = {}): Verdict {
  return { level: "error", says, ...mend };
}
