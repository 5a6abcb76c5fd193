/** Boxes without HTTP: the keeper is asked directly, as the service's own runner does. */
import { readFileSync } from "node:fs";
import { BOX_LIMITS, JOB_LIMITS, MIB, TRANSFER_LIMITS } from "../src/core/limits.ts";
import {
  decodePrinted,
  encodeHeader,
  encodeRequest,
  encodeStart,
  FRAME,
} from "../src/core/wire.ts";
import { Box } from "../src/sandbox/box.ts";
import { boxEnv } from "../src/sandbox/boxEnv.ts";
import { encodeHold, forkedPrograms } from "../src/sandbox/held.ts";
import { startTemplate } from "../src/sandbox/template.ts";
import { type LocalWarden, runtimeTree, startLocalWarden } from "../src/sandbox/warden.ts";
import { type Launched, type Launcher, TRUE } from "./launches.ts";
import { cpuMsOf, processesOf } from "./service.ts";

const SLOTS = 16;

export interface Boxes {
  /** Milliseconds from the hand-over of a job to a waiting box to its program's first instruction. */
  firstInstruction(count: number): Promise<readonly number[]>;
  /** Milliseconds from nothing to a box whose layers all hold. */
  cold(count: number): Promise<readonly number[]>;
  /** Boxes that are made, used for one program and destroyed. */
  throughput(count: number, atOnce: number): Promise<Launched>;
  /** Private KiB of a waiting box: all of its processes. */
  waitingKib(): Promise<number>;
  /** The same, with a Python in it that waits for its file. */
  forkedKib(): Promise<number>;
  close(): Promise<void>;
}

export async function openBoxes(launcher: Launcher): Promise<Boxes> {
  const tree = runtimeTree();
  const plan = { slots: SLOTS, cpus: 1, memoryBytes: 0, trees: tree === undefined ? [] : [tree] };
  const warden = await startLocalWarden(plan);
  const program = readFileSync(launcher.first);
  const build = (slot: number) => Box.build(warden.handover.keeper, requestFor(slot));
  return {
    firstInstruction: (count) => measure(count, (slot) => handOver(build, slot, program)),
    cold: (count) => measure(count, (slot) => buildOne(build, slot)),
    throughput: (count, atOnce) => throughput(warden, launcher, count, atOnce),
    waitingKib: () => waitingKib(build, warden),
    forkedKib: () => forkedKib(warden),
    close: () => warden.close(),
  };
}

type Build = (slot: number) => Promise<Box>;

function requestFor(slot: number) {
  return { slot, environment: 0, ...BOX_LIMITS };
}

async function measure(
  count: number,
  one: (slot: number) => Promise<number>,
): Promise<readonly number[]> {
  const values: number[] = [];
  for (let index = 0; index < count; index++) values.push(await one(index % SLOTS));
  return values;
}

function startFrame(argv: readonly string[]): Uint8Array {
  return encodeStart({
    mergeStreams: false,
    wallMs: 10_000,
    printedBytes: TRANSFER_LIMITS.printedBytes,
    memoryBytes: JOB_LIMITS.memoryMb.usual * MIB,
    cpus: 1,
    argv,
    env: boxEnv(false, 1, {}),
  });
}

async function untilExited(box: Box): Promise<string> {
  let printed = "";
  for (;;) {
    const frame = await box.next();
    if (frame.type === FRAME.printed) {
      printed += Buffer.from(decodePrinted(frame.payload).bytes).toString();
    }
    if (frame.type === FRAME.exited) return printed;
  }
}

async function handOver(build: Build, slot: number, program: Uint8Array): Promise<number> {
  const box = await build(slot);
  try {
    const file = { path: "first", executable: true, mtimeSeconds: 1, bytes: program };
    const handedOverMs = performance.timeOrigin + performance.now();
    void box.sendJob({ files: [file], directories: [] }, startFrame(["./first"]));
    const printed = await untilExited(box);
    if (printed === "") throw new Error("the program in a box printed nothing");
    return Number(printed) / 1e6 - handedOverMs;
  } finally {
    await box.destroy();
  }
}

async function buildOne(build: Build, slot: number): Promise<number> {
  const begunMs = performance.now();
  const box = await build(slot);
  const tookMs = performance.now() - begunMs;
  await box.destroy();
  return tookMs;
}

/** All CPU time is counted: of the one who asks, of keeper, boxes and programs, and of the warden. */
async function throughput(
  warden: LocalWarden,
  launcher: Launcher,
  count: number,
  atOnce: number,
): Promise<Launched> {
  const { keeper, cgroups } = warden.handover;
  const start = startFrame([TRUE]);
  const job = Buffer.concat([
    encodeRequest(requestFor(0)),
    encodeHeader(FRAME.start, start.length),
    start,
  ]);
  const spentMs = () =>
    cpuMsOf(cgroups.version === 2 ? cgroups.cpu : cgroups.cpuacct, cgroups.version) +
    (processesOf(warden.pid).find(({ pid }) => pid === warden.pid)?.cpuMs ?? 0);
  const beforeMs = spentMs();
  const made = await launcher.boxes(count, atOnce, keeper, job);
  return { ...made, cpuMs: made.cpuMs + (spentMs() - beforeMs) / count };
}

async function forkedKib(warden: LocalWarden): Promise<number> {
  const { keeper } = warden.handover;
  const [python] = forkedPrograms();
  if (python === undefined) throw new Error("nothing is forked");
  const hold = encodeHold(python, 1);
  const template = await startTemplate(keeper, 0, hold);
  try {
    return await waitingKib(
      (slot) => Box.build(keeper, { ...requestFor(slot), warmFrom: 0 }, hold),
      warden,
    );
  } finally {
    template.close();
    await template.gone;
  }
}

/** What the keeper shares with its boxes is not theirs: only processes that were not there before. */
async function waitingKib(build: Build, warden: LocalWarden): Promise<number> {
  const before = processesOf(warden.pid).map(({ pid }) => pid);
  const boxes = await Promise.all(Array.from({ length: SLOTS }, (_, slot) => build(slot)));
  const theirs = processesOf(warden.pid).filter(({ pid }) => !before.includes(pid));
  await Promise.all(boxes.map((box) => box.destroy()));
  return theirs.reduce((sum, { privateKib }) => sum + privateKib, 0) / SLOTS;
}
