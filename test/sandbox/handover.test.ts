import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHandover } from "../../src/sandbox/handover.ts";
import { planText } from "../../src/sandbox/warden.ts";

const LINES = [
  "keeper /run/with space/door/keeper",
  "slots 4",
  "cgroup 1",
  "memory /sys/fs/cgroup/memory/x",
  "pids /sys/fs/cgroup/pids/x",
  "cpu /sys/fs/cgroup/cpu/x",
  "cpuacct /sys/fs/cgroup/cpuacct/x",
  "job-memory 536870912",
  "job-cpu-percent 50",
];

function textOf(lines: readonly string[]): string {
  return `${lines.join("\n")}\nend\n`;
}

test("a handover tells socket, slots, groups, trees and descriptors", () => {
  const more = ["tree everywhere", "tree named", "tree root", "fd listen 3", "fd cert 4"];
  const handover = parseHandover(textOf([...LINES, ...more]));
  assert.equal(handover.keeper, "/run/with space/door/keeper");
  assert.equal(handover.slots, 4);
  assert.deepEqual(handover.cgroups, {
    version: 1,
    memory: "/sys/fs/cgroup/memory/x",
    pids: "/sys/fs/cgroup/pids/x",
    cpu: "/sys/fs/cgroup/cpu/x",
    cpuacct: "/sys/fs/cgroup/cpuacct/x",
    made: { memoryBytes: 536_870_912, cpus: 0.5 },
  });
  assert.deepEqual(handover.trees, ["everywhere", "named", "root"]);
  assert.deepEqual(Object.fromEntries(handover.descriptors), { listen: 3, cert: 4 });
});

test("a handover that lacks a line is refused by its name", () => {
  for (const line of LINES) {
    const name = line.split(" ")[0] ?? "";
    assert.throws(
      () => parseHandover(textOf(LINES.filter((one) => one !== line))),
      new RegExp(`lacks "${name}"`),
    );
  }
  assert.throws(() => parseHandover(""), /lacks/);
});

test("a handover whose numbers are none is refused, or all jobs would wait for ever", () => {
  const wrong = [
    "slots 0",
    "slots x",
    "slots -1",
    "slots 1.5",
    "slots ",
    "cgroup 3",
    "job-memory 0",
    "job-memory 99999999999999999",
    "job-cpu-percent x",
    "fd listen x",
  ];
  for (const line of wrong) {
    assert.throws(() => parseHandover(textOf([...LINES, line])), /handover/, line);
  }
});

test("a plan is lines that end with `end`", () => {
  const text = planText({
    slots: 2,
    cpus: 1.5,
    memoryBytes: 1024,
    listen: { host: "::1", port: 8443 },
    opens: [{ name: "cert", path: "/etc/my cert.pem" }],
    trees: [
      { kind: "everywhere", path: "/opt/runtime" },
      { kind: "named", path: "/srv/env" },
    ],
  });
  for (const line of [
    "slots 2",
    "processes 100",
    "cpu-percent 150",
    "memory 1024",
    "listen tcp ::1 8443",
    "open cert /etc/my cert.pem",
    "tree everywhere /opt/runtime",
    "tree named /srv/env",
  ]) {
    assert.ok(text.split("\n").includes(line), line);
  }
  assert.ok(text.endsWith("\nend\n"));
  const unix = planText({ slots: 1, cpus: 1, memoryBytes: 0, listen: { path: "/s" }, trees: [] });
  assert.match(unix, /^listen unix \/s$/m);
  assert.match(unix, /^sleeps 0$/m);
  const sleepy = { slots: 1, cpus: 1, memoryBytes: 0, sleeps: true, trees: [] };
  assert.match(planText(sleepy), /^sleeps 1$/m);
});

test("no path can smuggle a line into a plan", () => {
  const plan = { slots: 1, cpus: 1, memoryBytes: 0, trees: [] };
  const path = "/x\nslots 200";
  assert.throws(() => planText({ ...plan, trees: [{ kind: "named", path }] }), /line break/);
  assert.throws(() => planText({ ...plan, opens: [{ name: "key", path }] }), /line break/);
  assert.throws(() => planText({ ...plan, listen: { path } }), /line break/);
});
