/** The whole service around a fake runner and a clock that the test moves. */

import type { LogFields } from "../../src/http/log.ts";
import { createService, type Service, type ServiceOptions } from "../../src/service.ts";
import { FakeClock } from "./clock.ts";
import { type FakeRun, FakeRunner } from "./runner.ts";

export interface Rig extends Service {
  readonly runner: FakeRunner;
  readonly clock: FakeClock;
  readonly logged: LogFields[];
}

export function makeRig(options: Partial<ServiceOptions> = {}): Rig {
  const runner = new FakeRunner();
  const clock = new FakeClock(1_700_000_000_000);
  const logged: LogFields[] = [];
  const service = createService({
    runner,
    clock,
    ramBudgetBytes: 4 * 1024 ** 3,
    version: "1.2.3",
    log: (fields) => logged.push(fields),
    ...options,
  });
  return { ...service, runner, clock, logged };
}

/** A job that prints its own code and ends. */
export function echo(run: FakeRun): void {
  const { code } = run;
  run.start();
  run.print(code);
  run.end();
}

/** Some field of some answer. */
export interface AnyJson {
  readonly error?: unknown;
  readonly code?: unknown;
  readonly details?: unknown;
  readonly retry_after?: unknown;
  readonly job_id?: unknown;
  readonly status?: unknown;
  readonly queue_position?: unknown;
  readonly output?: unknown;
  readonly stdout?: unknown;
  readonly stderr?: unknown;
  readonly stdout_truncated?: unknown;
  readonly stderr_truncated?: unknown;
  readonly outcome?: unknown;
  readonly metrics?: unknown;
  readonly files?: unknown;
  readonly expires_at?: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of `text`; undefined when it is not JSON. */
  readonly json: AnyJson | undefined;
}

export async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  let json: AnyJson | undefined;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

export async function ask(rig: Rig, path: string, init?: RequestInit): Promise<Answer> {
  return readAnswer(await rig.app.request(path, init));
}

export function post(rig: Rig, path: string, body: unknown, init: RequestInit = {}) {
  const isText = typeof body === "string";
  return ask(rig, path, {
    method: "POST",
    headers: { "Content-Type": isText ? "text/plain" : "application/json" },
    body: isText ? body : JSON.stringify(body),
    ...init,
  });
}

/** Lets everything happen that needs no clock. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
