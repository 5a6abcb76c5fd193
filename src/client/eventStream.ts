/** Server-Sent Events out of a response's body: the `data` of one event after the other. */
import { badAnswer } from "./errors.ts";

/**
 * @param mostCharacters of one event; a hostile server must not fill the caller's memory
 * @param onLife called for everything that comes, comments too
 * @throws ApiError bad_answer; whatever reading throws when the connection breaks
 */
export async function* eventData(
  body: ReadableStream<Uint8Array>,
  mostCharacters: number,
  onLife: () => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onLife();
      text += decoder.decode(value, { stream: true });
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const data = dataOf(text.slice(0, end));
        text = text.slice(end + 2);
        if (data !== undefined) yield data;
      }
      if (text.length > mostCharacters) throw badAnswer("an event is too long", 200);
    }
  } finally {
    // Also for a caller who has read enough: the server should not go on for nobody.
    await reader.cancel().catch(() => undefined);
  }
}

function dataOf(event: string): string | undefined {
  const lines = event.split("\n").filter((line) => line.startsWith("data:"));
  if (lines.length === 0) return undefined;
  return lines.map((line) => line.slice(line.startsWith("data: ") ? 6 : 5)).join("\n");
}
