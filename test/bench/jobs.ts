/** Runs as many small jobs as its argument says, for a count of the system calls that they take. */
import { openTestRunner, run } from "../support/boxes.ts";

const runner = await openTestRunner({ slots: 4, environments: {}, mostWaiting: 2, forks: false });
for (let done = 0; done < Number(process.argv[2]); done++) {
  await run(runner, { code: "echo hi", interpreter: "sh", mergeStreams: true });
}
await runner.close();
