/**
 * A job from its submission to its end. Over a WebSocket, which takes input too; when that breaks, or
 * something between the page and the server lets none through, over an event stream from there on.
 */
import type { AttachedJob } from "../../src/client/attach.ts";
import type { SandrunClient } from "../../src/client/client.ts";
import { ApiError } from "../../src/client/errors.ts";
import type { LiveEvent } from "../../src/client/frames.ts";

/** @param onInput is given the way to send input, and undefined when there is none any more */
export async function* follow(
  client: SandrunClient,
  jobId: string,
  signal: AbortSignal,
  onInput: (input: AttachedJob | undefined) => void,
): AsyncGenerator<LiveEvent> {
  let from = 0;
  try {
    const attached = await client.attach(jobId, { signal });
    onInput(attached);
    for await (const event of attached) {
      if (event.kind === "printed") from = event.seq;
      yield event;
      if (event.kind === "ended") return;
    }
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "connection_lost") throw error;
  } finally {
    onInput(undefined);
  }
  yield* client.follow(jobId, { from, signal });
}
