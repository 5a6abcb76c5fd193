/** Jobs as a caller of the service makes them. */
import { setTimeout as sleep } from "node:timers/promises";
import { FORM_TYPE, type FormPiece, form } from "../archive/craft.ts";
import type { Answer, ServiceAt } from "./client.ts";

export interface EndedAt {
  readonly id: string;
  readonly stdout: string;
}

export function codeOf(answer: Answer): string {
  try {
    const body = JSON.parse(answer.body.toString()) as { code?: unknown; details?: unknown };
    return [answer.status, body.code, body.details].filter((part) => part !== undefined).join(" ");
  } catch {
    return `${answer.status}`;
  }
}

export function submit(service: ServiceAt, ...pieces: readonly FormPiece[]): Promise<Answer> {
  const headers = { "Content-Type": FORM_TYPE };
  return service.ask("POST", "/submit", { headers, body: form(...pieces) });
}

export function manifestPart(manifest: object): FormPiece {
  return { name: "manifest", body: JSON.stringify(manifest) };
}

export function idOf(answer: Answer): string {
  const { job_id: id } = JSON.parse(answer.body.toString()) as { job_id?: unknown };
  if (typeof id !== "string") throw new Error(`no job: ${codeOf(answer)}`);
  return id;
}

/** Waits for its end; its output is still there. */
export async function untilEnded(service: ServiceAt, id: string): Promise<EndedAt> {
  for (;;) {
    const { status } = await service.json("GET", `/status/${id}`);
    if (status === "completed" || status === "failed") break;
    await sleep(20);
  }
  const { stdout } = await service.json("GET", `/logs/${id}`);
  return { id, stdout: String(stdout) };
}

/** Submits code as main.py and waits for its end. */
export async function runAt(
  service: ServiceAt,
  code: string,
  manifest: object = {},
): Promise<EndedAt> {
  const main = { fileName: "main.py", body: code };
  const whole = { entrypoint: "main.py", interpreter: "python3", ...manifest };
  const answer = await submit(service, main, manifestPart(whole));
  return untilEnded(service, idOf(answer));
}

export async function destroyAt(service: ServiceAt, id: string): Promise<void> {
  await service.ask("DELETE", `/jobs/${id}`);
}
