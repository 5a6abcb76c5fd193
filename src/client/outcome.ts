/** How a job ended, from the form in which the API says it. */
import type { Outcome } from "../core/job.ts";
import type { WireOutcome } from "./answers.ts";
import { ApiError } from "./errors.ts";

/** @throws ApiError when the fields that its kind needs are missing. */
export function outcomeFromWire(wire: WireOutcome): Outcome {
  switch (wire.kind) {
    case "exited":
      return { kind: "exited", exitCode: wire.exit_code ?? missing("exit_code") };
    case "signalled":
      return { kind: "signalled", signal: wire.signal ?? missing("signal") };
    case "sandbox_error":
      return { kind: "sandbox_error", step: wire.step ?? "" };
    default:
      return { kind: wire.kind };
  }
}

function missing(field: string): never {
  throw new ApiError("The server's answer is not of this API.", {
    code: "bad_answer",
    status: 200,
    details: `outcome.${field} is missing`,
  });
}
