/** Version 1 of the control groups, for an ordinary user: what is missing, and the mend that this machine has. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { examine, type Report } from "../../src/doctor/examine.ts";
import type { Finding } from "../../src/doctor/verdict.ts";
import { type MadeUp, madeUpHost, VERSION_1 } from "./hosts.ts";

/** No box can be built. */
function look(told: MadeUp): Promise<Report> {
  return examine({ host: madeUpHost(told), tryBox: () => Promise.resolve("a step failed") });
}

function found(report: Report, id: string): Finding {
  const finding = report.findings.find((other) => other.id === id);
  return finding ?? assert.fail(`nothing is said about ${id}`);
}

/** An ordinary user on version 1 who may write wherever it would be of use. */
const GIVEN_V1: MadeUp = {
  ...VERSION_1,
  uid: 1000,
  writable: ["memory", "pids", "cpu", "cpuacct"].map((name) => `/sys/fs/cgroup/${name}/login`),
};

test("version 1 groups are none for an ordinary user, even their own; the mends are root and version 2", async () => {
  for (const told of [{ ...VERSION_1, uid: 1000 }, GIVEN_V1]) {
    const report = await look(told);
    assert.equal(report.status, "error");
    const finding = found(report, "cgroups.right");
    assert.equal(finding.level, "error");
    assert.match(finding.says, /on version 1 only root /);
    assert.deepEqual(finding.commands, [
      "sudo sandrun doctor",
      `sudo sed -i '/systemd.unified_cgroup_hierarchy=/!s/^GRUB_CMDLINE_LINUX="/&systemd.unified_cgroup_hierarchy=1 /' /etc/default/grub && sudo update-grub`,
    ]);
    assert.match(found(report, "cgroups.version").says, /^version 1 .* works for root$/);
  }
});

test("of a checkout its own script is named, as one word of a shell", async () => {
  const directory = "/home/user/my sandrun";
  const files = { ...VERSION_1.files, [`${directory}/sandrun`]: "" };
  const report = await look({ ...VERSION_1, uid: 1000, directory, files });
  const [command] = found(report, "cgroups.right").commands ?? [];
  assert.equal(command, "sudo '/home/user/my sandrun/sandrun' doctor");
});

test("where no systemd would give users groups, root is the only mend for a user on version 1", async () => {
  const files = { ...VERSION_1.files, "/run/systemd/system/a": undefined };
  const finding = found(await look({ ...VERSION_1, uid: 1000, files }), "cgroups.right");
  assert.deepEqual(finding.commands, ["sudo sandrun doctor"]);
  assert.match(finding.advice ?? "", /^Run it as root\. Version 2 would not help:/);
});

test("the way to version 2 is one that this machine has", async () => {
  const split = { "/proc/self/cgroup": "3:memory:/\n0::/\n" };
  const files = { ...VERSION_1.files, ...split };
  const version = async (more: Readonly<Record<string, string | undefined>>) =>
    found(await look({ ...VERSION_1, files: { ...files, ...more } }), "cgroups.version");
  const commands = async (more: Readonly<Record<string, string | undefined>>) =>
    (await version(more)).commands?.join() ?? "";
  assert.match(await commands({}), /&systemd\.unified_cgroup_hierarchy=1 /);
  assert.match(await commands({ "/run/systemd/system/a": undefined }), /&cgroup_no_v1=all /);
  const inside = await version({ "/.dockerenv": "" });
  assert.equal(inside.commands, undefined);
  assert.match(inside.advice ?? "", /^On the machine itself, not in here: add systemd\./);
});
