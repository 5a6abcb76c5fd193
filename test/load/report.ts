/** What happened, as tables, and what of it is wrong. */
import type { Caller, Told } from "./caller.ts";
import { type AllLook, type Edge, type HogLook, MINUTE_MS, OVERDRAFT_MS } from "./hogs.ts";
import type { Holding, Logged } from "./service.ts";

/** As in src/queue/fair.ts. */
const JOB_MS = 5;
/** What a quota, and a bill, may be missed by. */
const TOLERANCE = 1.05;
/** From here on the kernel held a group back whenever it looked: it wanted more than it was given. */
const ALWAYS = 0.9;
/** Of the minute that an empty bucket takes to be full. */
const NEARLY_MS = 2000;

export interface Loaded {
  readonly callers: readonly Caller[];
  readonly told: readonly Told[];
  readonly edges: readonly Edge[];
  readonly tookMs: number;
}

export class Report {
  readonly wrongs: string[] = [];
  readonly #least: number;
  /** Cores. */
  readonly #refill: number;

  /** @param least jobs that have to be admitted */
  constructor(least: number, quotaSeconds: number) {
    this.#least = least;
    this.#refill = (quotaSeconds * 1000) / MINUTE_MS;
  }

  check(holds: boolean, what: string): void {
    if (!holds) this.wrongs.push(what);
  }

  print(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  jobs({ told, callers, tookMs }: Loaded): void {
    const names = [...new Set(told.map(({ kind }) => kind.name))];
    this.print("\n| what callers sent | jobs | ended as | wrong |\n|---|---|---|---|");
    for (const name of names) {
      const those = told.filter(({ kind }) => kind.name === name);
      const ends = [...new Set(those.map(({ end, kind }) => end ?? `(${kind.fate})`))].join(", ");
      const wrong = those.filter((one) => one.wrong !== undefined);
      this.print(`| ${name} | ${those.length} | ${ends} | ${wrong.length} |`);
      for (const one of wrong.slice(0, 3)) this.wrongs.push(`${name}: ${one.wrong}`);
    }
    this.print(
      `\n${told.length} jobs of ${callers.length} callers in ${Math.round(tookMs / 1000)} s`,
    );
    const refusals = Map.groupBy(
      callers.flatMap((one) => [...one.refusals]),
      ([why]) => why,
    );
    this.print("\n| refusals, after each of which the caller waited as it was told | times |");
    this.print("|---|---|");
    for (const [why, those] of refusals) {
      this.print(`| ${why} | ${those.reduce((sum, [, times]) => sum + times, 0)} |`);
    }
  }

  /**
   * Each admitted job ends once, and the log says what its caller was told. Of those that were hung
   * up on, nobody knows which were admitted; of these and of cancelled ones, how they ended.
   */
  ends(ends: readonly Logged[], faults: number, { callers, told }: Loaded): void {
    const admitted = callers.reduce((sum, one) => sum + one.admitted, 0);
    const hungUp = told.filter(({ kind }) => kind.fate === "hung up on").length;
    const untold = told.filter(({ end }) => end === undefined).length;
    this.print(
      `\n${admitted} jobs were admitted for sure, ${hungUp} hung up on; ${ends.length} ends were logged`,
    );
    this.check(
      ends.length >= admitted && ends.length <= admitted + hungUp,
      `each job ends once: ${admitted} admitted, ${ends.length} ends`,
    );
    this.check(ends.length >= this.#least, `at least ${this.#least} jobs were admitted`);
    const count = (kind: string) => ends.filter(({ outcome }) => outcome === kind).length;
    for (const kind of new Set(told.map(({ end }) => end?.split(" ")[0] ?? "cancelled"))) {
      const toldSo = told.filter(({ end }) => end?.split(" ")[0] === kind).length;
      const isTrue = count(kind) >= toldSo && count(kind) <= toldSo + untold;
      this.check(isTrue || kind === "cancelled", `${kind}: told ${toldSo}, logged ${count(kind)}`);
    }
    const ours = faults + count("sandbox_error");
    const roomy = callers.reduce((sum, one) => sum + one.madeRoom, 0);
    this.print(
      `${ours} faults of ours; ${count("evicted")} jobs, and the files of ${roomy}, had to make room`,
    );
    this.check(ours === 0, `${ours} faults of ours`);
  }

  /** What each whole minute without credit gave the hogs, by the bill and by the control groups. */
  hogs(edges: readonly Edge[]): void {
    this.print("\n| hog | minute | counted ms | charged ms | due ms | debt ms | held back |");
    this.print("|---|---|---|---|---|---|---|");
    const isLong = edges.length > 1;
    this.check(
      isLong,
      "the hogs were not looked at for a whole minute after their credit was gone",
    );
    for (let i = 1; i < edges.length; i++) {
      edges[i]?.hogs.forEach((now, hog) => {
        const before = edges[i - 1]?.hogs[hog];
        if (before !== undefined) this.#hogMinute(`${hog + 1} | ${i}`, before, now);
      });
    }
  }

  #hogMinute(name: string, before: HogLook, now: HogLook): void {
    const counted = now.countedMs - before.countedMs;
    const charged = this.#chargedMs(before, now);
    const due = (now.atMs - before.atMs) * this.#refill;
    const debtOf = (look: HogLook) => (look.fullAtMs - look.atMs - MINUTE_MS) * this.#refill;
    const debt = debtOf(now);
    const heldBack = (now.heldBack - before.heldBack) / Math.max(1, now.periods - before.periods);
    const isStarved = counted < due / TOLERANCE && heldBack < ALWAYS;
    const bill = charged === undefined ? "?, its bucket may have been full" : Math.round(charged);
    const numbers = `${Math.round(counted)} | ${bill} | ${Math.round(due)} | ${Math.round(debt)}`;
    const note = isStarved ? ": the machine had no more to give" : "";
    this.print(`| ${name} | ${numbers} | ${Math.round(heldBack * 100)} %${note} |`);
    const what = `hog and minute ${name}: ${numbers}`;
    const most = Math.max(due * TOLERANCE, due + OVERDRAFT_MS) + before.creditMs;
    this.check(counted <= most, `more than the quota: ${what}`);
    // While it is held back, what it is given too little pays its debt.
    const least = due / TOLERANCE - Math.max(0, debtOf(before));
    this.check(counted >= least || isStarved, `less than the quota: ${what}`);
    if (charged === undefined) return;
    this.check(charged <= counted * TOLERANCE, `charged what was not used: ${what}`);
    this.check(counted <= charged * TOLERANCE, `used what was not charged: ${what}`);
  }

  /**
   * By how much its bucket is full later. One that was full in between does not tell what was charged,
   * which cannot have been when it was empty at the beginning of the minute.
   */
  #chargedMs(before: HogLook, now: HogLook): number | undefined {
    const mayHaveBeenFull =
      before.creditMs > this.#refill * NEARLY_MS || now.fullAtMs - now.atMs < NEARLY_MS;
    return mayHaveBeenFull ? undefined : (now.fullAtMs - before.fullAtMs) * this.#refill;
  }

  /**
   * All boxes, minute by minute. The hogs' part is what was charged to them in it (what was counted,
   * when their buckets do not tell, on a machine that gave them next to nothing). The others' is
   * charged at the latest when they end, so it is what the service told of those that ended, and
   * what their groups say of those under way at its edges. Beside that each job has a price, for the
   * making of its box, and for the service's own work, which no group of boxes counts.
   */
  minutes(edges: readonly Edge[]): void {
    const counted = "counted ms: programs | boxes";
    const charged = "charged ms: hogs | others | their boxes | the price of jobs";
    this.print(`\n| minute | jobs ended | ${counted} | ${charged} | counted | charged |`);
    this.print(`|${"---|".repeat(10)}`);
    for (let i = 1; i < edges.length; i++) {
      const [before, now] = [edges[i - 1], edges[i]];
      if (before !== undefined && now !== undefined) this.#minute(i, before, now);
    }
  }

  #minute(number: number, before: Edge, now: Edge): void {
    const grown = (of: (all: AllLook) => number) => of(now.all) - of(before.all);
    const programs = grown(({ countedMs }) => countedMs);
    const boxes = grown(({ boxesCountedMs }) => boxesCountedMs);
    const counted = programs + boxes;
    const hogs = now.hogs.reduce((sum, hog, n) => {
      const earlier = before.hogs[n] ?? hog;
      return sum + (this.#chargedMs(earlier, hog) ?? hog.countedMs - earlier.countedMs);
    }, 0);
    const others = grown(({ endedMs, underWayMs }) => endedMs + underWayMs);
    const theirBoxes = grown(({ boxesEndedMs }) => boxesEndedMs);
    const jobs = grown(({ ended }) => ended);
    const used = hogs + others + theirBoxes;
    const charged = used + JOB_MS * jobs;
    const numbers = [programs, boxes, hogs, others, theirBoxes, JOB_MS * jobs, counted, charged];
    const row = [number, jobs, ...numbers.map(Math.round)].join(" | ");
    this.print(`| ${row} |`);
    this.check(used <= counted * TOLERANCE, `charged what was not used: minute ${row}`);
    this.check(charged >= counted / TOLERANCE, `used what was not charged: minute ${row}`);
  }

  /** @param isSameNode it was not replaced, and keeps memory that it has no use for */
  holding(before: Holding, loaded: Holding, after: Holding, isSameNode: boolean): void {
    this.print("\n| of the machine | before | under load | after |\n|---|---|---|---|");
    for (const name of Object.keys(before) as (keyof Holding)[]) {
      this.print(`| ${name} | ${before[name]} | ${loaded[name]} | ${after[name]} |`);
      if (isSameNode && name === "Node, resident MB") continue;
      const most = name.endsWith("MB") ? Math.ceil(before[name] * 1.25) : before[name];
      this.check(after[name] <= most, `${name}: ${before[name]} before, ${after[name]} after`);
    }
  }

  /** @returns the exit status */
  end(): number {
    const { wrongs } = this;
    this.print(
      wrongs.length === 0
        ? "\nall as it has to be"
        : `\nWRONG:\n  ${wrongs.slice(0, 20).join("\n  ")}`,
    );
    return wrongs.length === 0 ? 0 : 1;
  }
}
