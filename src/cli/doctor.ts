/** `sandrun doctor`: what this machine lacks for boxes, and how to mend it. Changes nothing. */
import { examine, type Report } from "../doctor/examine.ts";
import type { Host } from "../doctor/host.ts";
import { systemName } from "../doctor/kernel.ts";
import { realHost } from "../doctor/realHost.ts";
import type { Level } from "../doctor/verdict.ts";
import { reportText } from "./doctorText.ts";
import type { Command, Io } from "./io.ts";
import { put } from "./io.ts";
import { DOCTOR_OPTIONS } from "./tables.ts";
import { has, one, parseOptions, UsageError } from "./usage.ts";

const STATUS: Readonly<Record<Level, number>> = { fine: 0, hint: 0, warning: 1, error: 2 };

/** Grows only: fields are added, never renamed, while `version` stays. */
function reportJson({ status, findings }: Report): string {
  const checks = findings.map(({ id, title, level, says, advice, commands }) => {
    return { id, title, level, says, advice: advice ?? null, commands: commands ?? [] };
  });
  return `${JSON.stringify({ version: 1, status, checks }, undefined, 2)}\n`;
}

function headingOf(host: Host): string {
  const who = host.uid === 0 ? "root" : (host.userName ?? `user ${host.uid}`);
  return `${systemName(host)}, Linux ${host.release}, as ${who}`;
}

/** 80 where the terminal does not say. */
function columnsOf(stream: Io["stdout"]): number {
  const columns: unknown = "columns" in stream ? stream.columns : undefined;
  return typeof columns === "number" && columns > 0 ? columns : 80;
}

function isColoured(io: Io): boolean {
  const asked = io.env["NO_COLOR"];
  return (
    io.stdout.isTTY === true && (asked === undefined || asked === "") && io.env["TERM"] !== "dumb"
  );
}

/** Rejects when the user has had enough; the box goes with this process. */
function untilInterrupted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(new Error("interrupted"));
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return promise;
}

export const doctor: Command = async (argv, io) => {
  const parsed = parseOptions(DOCTOR_OPTIONS, argv, false);
  const [extra] = parsed.rest;
  if (extra !== undefined)
    throw new UsageError(`doctor takes no ${extra}; see sandrun help doctor`);
  const host = realHost(io.env, Date.now());
  const { tryBox } = await io.loadBackend();
  const report = await Promise.race([
    examine({ host, certificate: one(parsed, "cert"), tryBox }),
    untilInterrupted(io.interrupted),
  ]);
  const look = { columns: columnsOf(io.stdout), isColoured: isColoured(io) };
  const text = has(parsed, "json") ? reportJson(report) : reportText(headingOf(host), report, look);
  await put(io.stdout, text);
  return STATUS[report.status];
};
