/**
 * Which jobs find their interpreter started: the plain ones, that set nothing which a start could
 * depend on. Their program is then in no way another than one that was started for them: the same
 * command, environment, limits and place, only earlier, and held by the box where it opens its
 * file (native/hold.c). Every other job has its program started when it comes.
 */
import { readFileSync, realpathSync } from "node:fs";
import { findLanguage, type Language } from "../core/languages.ts";
import { JOB_LIMITS, MIB, TRANSFER_LIMITS } from "../core/limits.ts";
import type { JobSpec } from "../core/runner.ts";
import { CHUNK_MOST, encodeStart } from "../core/wire.ts";
import { boxEnv } from "./boxEnv.ts";

/** Those that open their file last, and wait there: ruby does not wait, others were not tried. */
const HOLDABLE: readonly string[] = ["python3", "node", "perl", "bash", "sh"];

/** After so long the kernel lets a held program go on; less than the default is not used. */
const LEASE_SECONDS = 45;
/** A program that was held for longer is replaced; the box itself refuses later. */
export const HELD_FRESH_MS = 30_000;

/** Names what is held: an interpreter, and how many pipes it prints to. */
export interface HeldProgram {
  readonly language: Language;
  readonly mergeStreams: boolean;
}

/** Whether this host's kernel holds programs for long enough. */
export function hostHolds(): boolean {
  try {
    const seconds = Number(readFileSync("/proc/sys/fs/lease-break-time", "utf8"));
    return seconds === 0 || seconds >= LEASE_SECONDS;
  } catch {
    return false;
  }
}

function entrypointOf(language: Language): string {
  return `main${language.extensions[0] ?? ""}`;
}

/** Undefined when the job's program is started when the job comes. */
export function heldProgramFor({
  manifest,
  input,
  mergeStreams,
}: JobSpec): HeldProgram | undefined {
  const language = findLanguage(manifest.interpreter);
  if (language === undefined || !HOLDABLE.includes(language.name)) return undefined;
  const isPlain =
    manifest.args.length === 0 &&
    Object.keys(manifest.env).length === 0 &&
    manifest.environment === undefined &&
    !manifest.tty &&
    manifest.memoryMb === JOB_LIMITS.memoryMb.usual &&
    manifest.entrypoint === entrypointOf(language);
  const [file, ...more] = input.files;
  if (!isPlain || file === undefined || more.length > 0 || input.directories.length > 0) {
    return undefined;
  }
  const fits = file.path === manifest.entrypoint && file.bytes.length <= CHUNK_MOST;
  return fits ? { language, mergeStreams } : undefined;
}

/** The payload of HOLD. */
export function encodeHold({ language, mergeStreams }: HeldProgram, cpus: number): Uint8Array {
  const memoryMb = JOB_LIMITS.memoryMb.usual;
  return encodeStart({
    mergeStreams,
    wallMs: 0,
    printedBytes: TRANSFER_LIMITS.printedBytes,
    memoryBytes: memoryMb * MIB,
    cpus: Math.ceil(cpus),
    argv: language.command(entrypointOf(language), [], memoryMb),
    env: boxEnv(false, Math.ceil(cpus), {}),
  });
}

/** As the pool calls boxes of a kind: what they have at /env, and what is held in them. */
export function kindOf(environment: number, held: HeldProgram | undefined): string {
  if (held === undefined) return `${environment}`;
  return `${environment} ${held.language.name} ${held.mergeStreams ? "merged" : "apart"}`;
}

export function parseKind(kind: string): { environment: number; held: HeldProgram | undefined } {
  const [environment, name, streams] = kind.split(" ");
  const language = name === undefined ? undefined : findLanguage(name);
  return {
    environment: Number(environment),
    held: language === undefined ? undefined : { language, mergeStreams: streams === "merged" },
  };
}

/**
 * Programs that are forked from a template; both streams or one, they are started alike. Not those that
 * keep something of their start: bash the seed of $RANDOM, perl the time. Node has threads.
 */
export function forkedPrograms(): readonly HeldProgram[] {
  const names = isDash() ? ["python3", "sh"] : ["python3"];
  return names.flatMap((name) => {
    const language = findLanguage(name);
    return language === undefined ? [] : [{ language, mergeStreams: false }];
  });
}

/** Elsewhere sh may be bash. */
function isDash(): boolean {
  try {
    return realpathSync("/usr/bin/sh") === "/usr/bin/dash";
  } catch {
    return false;
  }
}
