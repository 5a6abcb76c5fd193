/** A job from its submission to its end, as a stream of what happens. */
import type { JobStatus } from "../../src/client/answers.ts";
import type { SandrunClient } from "../../src/client/client.ts";

export type Happening =
  | { readonly kind: "printed"; readonly stream: "stdout" | "stderr"; readonly text: string }
  | { readonly kind: "status"; readonly status: JobStatus };

const POLL_MS = 250;

export async function* follow(
  client: SandrunClient,
  jobId: string,
  signal: AbortSignal,
): AsyncGenerator<Happening> {
  const seen = { stdout: 0, stderr: 0 };
  for (;;) {
    const status = await client.status(jobId, { signal });
    yield { kind: "status", status };
    const logs = await client.logs(jobId, { signal });
    for (const stream of ["stdout", "stderr"] as const) {
      const text = logs[stream].slice(seen[stream]);
      seen[stream] = logs[stream].length;
      if (text !== "") yield { kind: "printed", stream, text };
    }
    if (status.outcome !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
