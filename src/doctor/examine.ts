/**
 * All checks in the order in which they are told, and last the real thing: a box. Checks are told
 * from what can be read, so a box that was built and held has the last word: where it stands, an
 * error that a check foretold is none.
 */
import { CGROUP_CHECKS } from "./cgroups.ts";
import { CONTAINER_CHECKS } from "./container.ts";
import { HARDENING_CHECKS } from "./hardening.ts";
import type { Host } from "./host.ts";
import { KERNEL_CHECKS } from "./kernel.ts";
import { MACHINE_CHECKS } from "./machine.ts";
import { networkChecks } from "./network.ts";
import { USER_CHECKS } from "./users.ts";
import type { Check, Finding, Level } from "./verdict.ts";

export interface Report {
  /** The worst level found. */
  readonly status: Level;
  readonly findings: readonly Finding[];
}

export interface Question {
  readonly host: Host;
  /** File of the certificate to look at. */
  readonly certificate?: string | undefined;
  /** Builds a box and tries it: what is wrong in one sentence, undefined when nothing is. */
  readonly tryBox: () => Promise<string | undefined>;
}

const LEVELS: readonly Level[] = ["fine", "hint", "warning", "error"];

function checksOf(certificate: string | undefined): readonly Check[] {
  return [
    ...KERNEL_CHECKS,
    ...USER_CHECKS,
    ...CONTAINER_CHECKS,
    ...CGROUP_CHECKS,
    ...MACHINE_CHECKS,
    ...HARDENING_CHECKS,
    ...networkChecks(certificate),
  ];
}

function boxFinding(broken: string | undefined): Finding {
  const id = "box.built";
  const title = "a real box";
  if (broken === undefined)
    return { id, title, level: "fine", says: "built, and all that was tried in it held" };
  return { id, title, level: "error", says: broken };
}

function settled(finding: Finding): Finding {
  if (finding.level !== "error") return finding;
  return { ...finding, level: "hint", says: `${finding.says}; yet a box was built here` };
}

export async function examine({ host, certificate, tryBox }: Question): Promise<Report> {
  const looked = checksOf(certificate).flatMap(({ id, title, look }): Finding[] => {
    const verdict = look(host);
    return verdict === undefined ? [] : [{ id, title, ...verdict }];
  });
  const box = boxFinding(await tryBox());
  const findings = [...(box.level === "fine" ? looked.map(settled) : looked), box];
  const worst = Math.max(...findings.map(({ level }) => LEVELS.indexOf(level)));
  return { status: LEVELS[worst] ?? "fine", findings };
}
