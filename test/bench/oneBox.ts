/** Makes and destroys as many boxes as its argument says, for a count of the system calls that it takes. */
import { BOX_LIMITS } from "../../src/core/limits.ts";
import { Box } from "../../src/sandbox/box.ts";
import { startLocalWarden } from "../../src/sandbox/warden.ts";

const warden = await startLocalWarden({ slots: 1, cpus: 1, memoryBytes: 0, trees: [] });
for (let made = 0; made < Number(process.argv[2]); made++) {
  const box = await Box.build(warden.handover.keeper, { slot: 0, environment: 0, ...BOX_LIMITS });
  await box.destroy();
}
await warden.close();
