/** `sandrun FILE|DIR|- [ARGS…]`: runs it in a box here, or on a server. */
import type { Command, Io } from "./io.ts";
import type { Wanted } from "./local.ts";
import { type InputUse, prepareJob } from "./prepare.ts";
import { environmentChoice } from "./runOptions.ts";
import { chosenServer, openClient, type ServerChoice } from "./server.ts";
import { RUN_OPTIONS } from "./tables.ts";
import type { Parsed } from "./usage.ts";
import { has, one, parseOptions, UsageError } from "./usage.ts";

export const run: Command = async (argv, io) => {
  const parsed = parseOptions(RUN_OPTIONS, argv, true);
  const wanted = wantedOf(parsed);
  const choice = await chosenServer(parsed, io);
  if (choice === undefined && has(parsed, "fingerprint"))
    throw new UsageError("--fingerprint belongs to --server");
  const once = (ownIo: Io, input: InputUse): Promise<number> =>
    choice === undefined
      ? runHere(parsed, wanted, input, ownIo)
      : runThere(choice, parsed, wanted, input, ownIo);
  if (!has(parsed, "watch")) return once(io, "live");
  const [target] = parsed.rest;
  if (target === undefined || target === "-")
    throw new UsageError("--watch needs a file or a directory");
  const { runOnChange } = await import("./watch.ts");
  const watched = { target, ignored: wanted.destination?.directory };
  // What is typed once cannot be typed again to the next run.
  return runOnChange(watched, (ownIo) => once(ownIo, "none"), io);
};

async function runHere(parsed: Parsed, wanted: Wanted, input: InputUse, io: Io): Promise<number> {
  // The parts of a box are loaded while the files are read.
  const [prepared, { runLocally }, backend] = await Promise.all([
    prepareJob(parsed, io, input),
    import("./local.ts"),
    io.loadBackend(),
  ]);
  return runLocally(prepared, environmentChoice(parsed), wanted, backend, io);
}

async function runThere(
  choice: ServerChoice,
  parsed: Parsed,
  wanted: Wanted,
  input: InputUse,
  io: Io,
): Promise<number> {
  if (environmentChoice(parsed)?.directory !== undefined)
    throw new UsageError("a server has its own environments; give only the name");
  const client = await openClient(choice, io);
  const [prepared, { runRemotely }] = await Promise.all([
    // A result as JSON comes whole, so its input goes whole.
    prepareJob(parsed, io, input === "live" && wanted.json ? "whole" : input),
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
