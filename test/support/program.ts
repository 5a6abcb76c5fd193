/** The program that end-to-end tests start: the checkout's own, or the build that the environment names. */
import { fileURLToPath } from "node:url";

export const PROGRAM =
  process.env["SANDRUN_TEST_PROGRAM"] ?? fileURLToPath(new URL("../../sandrun", import.meta.url));
