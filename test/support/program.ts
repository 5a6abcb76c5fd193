/** The program that end-to-end tests start: the checkout's own, or the build that the environment names. */
import { fileURLToPath } from "node:url";

/** The one other build; what it does unless it is told differs in this: it sleeps. */
export const IS_LEAN = process.env["SANDRUN_TEST_PROGRAM"] !== undefined;

export const PROGRAM =
  process.env["SANDRUN_TEST_PROGRAM"] ?? fileURLToPath(new URL("../../sandrun", import.meta.url));
