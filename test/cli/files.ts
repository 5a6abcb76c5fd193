/** A directory for one test, gone when it ends. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export async function scratch(test: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sandrun-test-"));
  test.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
