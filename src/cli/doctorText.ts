/** A report for a person at a terminal. */
import { shown } from "../core/words.ts";
import type { Report } from "../doctor/examine.ts";
import type { Finding, Level } from "../doctor/verdict.ts";

export interface Look {
  readonly columns: number;
  readonly isColoured: boolean;
}

const COLOURS: Readonly<Record<Level, string>> = {
  fine: "\u001b[32m",
  hint: "\u001b[36m",
  warning: "\u001b[33m",
  error: "\u001b[1;31m",
};
const PLAIN = "\u001b[0m";
const BOLD = "\u001b[1m";

/** Headings by the first part of an id. */
const GROUPS: Readonly<Record<string, string>> = {
  kernel: "Kernel",
  users: "User namespaces",
  container: "Container",
  cgroups: "Control groups",
  machine: "Machine",
  tools: "Tools",
  hardening: "Hardening",
  network: "Network",
  box: "Box",
};

const LEVEL_WIDTH = 9;

function groupOf({ id }: Finding): string {
  return id.slice(0, id.indexOf("."));
}

/** Lines of whole words; a word that is longer than a line is not cut. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function findingLines(finding: Finding, titleWidth: number, look: Look): readonly string[] {
  const { level, title, says, advice, commands = [] } = finding;
  const indent = " ".repeat(2 + LEVEL_WIDTH + titleWidth + 2);
  const width = Math.max(look.columns - indent.length, 24);
  const label = level.padEnd(LEVEL_WIDTH);
  const head = `  ${look.isColoured ? `${COLOURS[level]}${label}${PLAIN}` : label}`;
  const sentences = [says, ...(advice === undefined ? [] : [advice])];
  const [first = "", ...rest] = sentences.flatMap((sentence) => wrap(shown(sentence), width));
  return [
    `${head}${title.padEnd(titleWidth)}  ${first}`,
    ...rest.map((line) => `${indent}${line}`),
    // At the margin and never broken, so that one can be copied as it stands.
    ...commands.map((command) => `      ${shown(command)}`),
  ];
}

function count(findings: readonly Finding[], level: Level): string {
  const found = findings.filter((finding) => finding.level === level).length;
  return `${found} ${level}${found === 1 ? "" : "s"}`;
}

function summary({ status, findings }: Report): string {
  const counts = (["error", "warning", "hint"] as const)
    .map((level) => count(findings, level))
    .filter((text) => !text.startsWith("0 "));
  const verdict = status === "error" ? "Boxes cannot run here" : "Boxes run here";
  return counts.length === 0 ? `${verdict}.` : `${verdict}: ${counts.join(", ")}.`;
}

export function reportText(heading: string, report: Report, look: Look): string {
  const titleWidth = Math.max(...report.findings.map(({ title }) => title.length));
  const lines = [shown(heading)];
  for (const [group, name] of Object.entries(GROUPS)) {
    const findings = report.findings.filter((finding) => groupOf(finding) === group);
    if (findings.length === 0) continue;
    lines.push("", look.isColoured ? `${BOLD}${name}${PLAIN}` : name);
    for (const finding of findings) lines.push(...findingLines(finding, titleWidth, look));
  }
  return `${[...lines, "", summary(report)].join("\n")}\n`;
}
