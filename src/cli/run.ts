/** `sandrun FILE|DIR|- [ARGS…]`: runs it in a box here, or on a server. */
import type { Command, Io } from "./io.ts";
import type { Wanted } from "./local.ts";
import { prepareJob } from "./prepare.ts";
import { environmentChoice } from "./runOptions.ts";
import { chosenServer, openClient, type ServerChoice } from "./server.ts";
import { RUN_OPTIONS } from "./tables.ts";
import type { Parsed } from "./usage.ts";
import { has, one, parseOptions, UsageError } from "./usage.ts";

export const run: Command = async (argv, io) => {
  const parsed = parseOptions(RUN_OPTIONS, argv, true);
  const wanted = wantedOf(parsed);
  const choice = await chosenServer(parsed, io);
  if (choice !== undefined) return runThere(choice, parsed, wanted, io);
  if (has(parsed, "fingerprint")) throw new UsageError("--fingerprint belongs to --server");
  // The parts of a box are loaded while the files are read.
  const [prepared, { runLocally }, backend] = await Promise.all([
    prepareJob(parsed, io),
    import("./local.ts"),
    io.loadBackend(),
  ]);
  return runLocally(prepared, environmentChoice(parsed), wanted, backend, io);
};

async function runThere(
  choice: ServerChoice,
  parsed: Parsed,
  wanted: Wanted,
  io: Io,
): Promise<number> {
  if (environmentChoice(parsed)?.directory !== undefined)
    throw new UsageError("a server has its own environments; give only the name");
  const client = await openClient(choice);
  const [prepared, { runRemotely }] = await Promise.all([
    prepareJob(parsed, io),
    import("./remote.ts"),
  ]);
  return runRemotely(prepared, wanted, client, io);
}

function wantedOf(parsed: Parsed): Wanted {
  const directory = one(parsed, "out");
  const force = has(parsed, "force");
  if (directory === undefined && force) throw new UsageError("--force belongs to --out DIR");
  return {
    json: has(parsed, "json"),
    destination: directory === undefined ? undefined : { directory, force },
  };
}
