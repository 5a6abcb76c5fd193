/** Commands that mend are run here, on copies of what they would change. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { install, setBootParameter, setSysctl, word } from "../../src/doctor/mends.ts";
import { USER_CHECKS } from "../../src/doctor/users.ts";
import { scratch } from "../cli/files.ts";
import { madeUpHost, UBUNTU_24_USER } from "./hosts.ts";

function shell(command: string): string {
  return execFileSync("sh", ["-c", command], { encoding: "utf8" });
}

/** What stands before `&&`: the writing; what follows tells the running system. */
function writing(command: string | undefined, from: string, to: string): string {
  const [first = ""] = (command ?? "").split(" && ");
  assert.ok(first.includes(from), first);
  return first.replace(from, to);
}

test("a boot parameter is added once, wherever grub's line has others or none", async (t) => {
  const file = join(await scratch(t), "grub");
  const { commands = [] } = setBootParameter(madeUpHost(), "init_on_free=1");
  const command = writing(commands[0], "/etc/default/grub", file);
  for (const [before, after] of [
    ['GRUB_CMDLINE_LINUX=""\n', 'GRUB_CMDLINE_LINUX="init_on_free=1 "\n'],
    ['GRUB_CMDLINE_LINUX="a=b c"\n', 'GRUB_CMDLINE_LINUX="init_on_free=1 a=b c"\n'],
    ['GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n', 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'],
  ] as const) {
    writeFileSync(file, before);
    for (const _time of ["once", "again"]) shell(command);
    assert.equal(readFileSync(file, "utf8"), after);
  }
});

test("Fedora's tool is taken where it is", () => {
  const host = madeUpHost({ uid: 1000, programs: ["grubby", "dnf"] });
  const { commands } = setBootParameter(host, "a=1");
  assert.deepEqual(commands, ["sudo grubby --update-kernel=ALL --args=a=1"]);
  assert.deepEqual(install(host, "newuidmap").commands, ["sudo dnf install shadow-utils"]);
});

test("without a boot loader or a package manager that is known, there is advice and no command", () => {
  const host = madeUpHost({ programs: [] });
  assert.equal(setBootParameter(host, "a=1").commands, undefined);
  assert.equal(install(host, "gcc").commands, undefined);
});

test("a setting goes to a file of its own that sysctl reads", async (t) => {
  const file = join(await scratch(t), "setting.conf");
  const { commands = [] } = setSysctl(madeUpHost(), "kernel.kptr_restrict", 1);
  shell(writing(commands[0], "/etc/sysctl.d/99-sandrun-kernel.kptr_restrict.conf", file));
  assert.equal(readFileSync(file, "utf8"), "kernel.kptr_restrict = 1\n");
});

test("the AppArmor profile names the program as it is called, and nothing else", async (t) => {
  const file = join(await scratch(t), "profile");
  const check = USER_CHECKS.find(({ id }) => id === "users.apparmor");
  const host = madeUpHost({ ...UBUNTU_24_USER, uid: 1000, directory: "/srv/it's $(date) 100%" });
  const command = check?.look(host)?.commands?.[0]?.replaceAll("sudo ", "");
  shell(writing(command, "/etc/apparmor.d/sandrun", file));
  assert.equal(
    readFileSync(file, "utf8"),
    `abi <abi/4.0>,
include <tunables/global>
profile sandrun "/srv/it's $(date) 100%/native/build/sandrun-native" flags=(unconfined) {
  userns,
}
`,
  );
});

for (const text of ["plain", "", "a b", "it's", "$(x)", "`x`", "a\nb", "-n", "%s", "é", "*"]) {
  test(`a shell takes ${JSON.stringify(text)} for one word`, () => {
    assert.equal(shell(`printf '%s' ${word(text)}`), text);
  });
}
