/** `sandrun mcp`: tools for an agent program, over standard input and output. */
import { SandrunClient } from "../client/client.ts";
import { MCP_LIMITS, SERVICE_LIMITS } from "../core/limits.ts";
import { VERSION } from "../core/version.ts";
import type { LocalService } from "./backend.ts";
import { type Command, type Io, tell } from "./io.ts";
import { chosenServer, openClient } from "./server.ts";
import { MCP_OPTIONS } from "./tables.ts";
import { all, type Parsed, parseOptions, UsageError } from "./usage.ts";

/** Where the jobs of a session run. */
interface Place {
  readonly client: SandrunClient;
  readonly keptSeconds: number;
  close(): Promise<void>;
}

export const mcp: Command = async (argv, io) => {
  const parsed = parseOptions(MCP_OPTIONS, argv, false);
  const [extra] = parsed.rest;
  if (extra !== undefined) throw new UsageError(`mcp takes no ${extra}; see sandrun help mcp`);
  const place = await placeOf(parsed, io);
  if (io.stdin.isTTY === true)
    await tell(io, "this speaks with agent programs, not with people; docs/mcp.md tells how");
  const { serveTools } = await import("../mcp/stdio.ts");
  const { stdin, stdout, interrupted: signal } = io;
  try {
    const { client, keptSeconds } = place;
    const broken = await serveTools({
      client,
      keptSeconds,
      version: VERSION,
      stdin,
      stdout,
      signal,
    });
    if (broken !== undefined) throw broken;
    return 0;
  } finally {
    await place.close();
  }
};

async function placeOf(parsed: Parsed, io: Io): Promise<Place> {
  const choice = await chosenServer(parsed, io);
  if (choice === undefined) return localPlace(trees(parsed), io);
  if (all(parsed, "environment").length > 0)
    throw new UsageError("--environment is for boxes on this machine; a server has its own");
  const client = await openClient(choice, io);
  const keptSeconds = SERVICE_LIMITS.finishedMs / 1000;
  return { client, keptSeconds, close: () => Promise.resolve() };
}

/**
 * Boxes of this machine, set up by the first question: an agent program starts its tools whether
 * it needs them or not, and what is wrong is then told to who asked.
 */
function localPlace(environments: Readonly<Record<string, string>>, io: Io): Place {
  let opening: Promise<LocalService> | undefined;
  const open = async () => (await io.loadBackend()).openLocalService({ environments });
  const opened = () => {
    // One that failed is tried again: whoever reads why may have mended it.
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      const why = error instanceof Error ? error.message : "the sandbox could not be set up";
      throw new Error(`${why}; the command sandrun doctor tells how to mend it`, { cause: error });
    });
    return opening;
  };
  return {
    client: new SandrunClient({
      server: "http://localhost/",
      fetch: async (url, init) => (await opened()).fetch(url, init),
    }),
    keptSeconds: MCP_LIMITS.localFinishedMs / 1000,
    close: async () => (await opening?.catch(() => undefined))?.close(),
  };
}

/** @throws UsageError */
function trees(parsed: Parsed): Readonly<Record<string, string>> {
  const pairs = all(parsed, "environment").map((word): [string, string] => {
    const [, name, directory] = /^([^=]+)=(.+)$/s.exec(word) ?? [];
    if (name === undefined || directory === undefined)
      throw new UsageError("--environment takes NAME=DIR here");
    return [name, directory];
  });
  return Object.fromEntries(pairs);
}
