/** The tools, asked by the protocol's own client in both of its eras; no box runs. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeOutputs, type FakeRun } from "../fakes/runner.ts";
import { echo, settle } from "../fakes/service.ts";
import { connect, ERAS, makeMcpRig, type Result } from "./agent.ts";

/** The eight bytes that every PNG begins with, and something behind them. */
const PNG = Buffer.from("89504e470d0a1a0a00112233", "hex");

function makes(files: Record<string, string | Uint8Array>): (run: FakeRun) => void {
  return (run) => {
    run.start();
    run.end({ outputs: new FakeOutputs(files) });
  };
}

for (const era of ERAS) {
  describe(`tools for agents, ${era} protocol`, () => {
    it("lists tools with schemas and limits", async () => {
      const agent = await connect(makeMcpRig(), era);
      const { tools } = await agent.client.listTools();
      assert.deepEqual(
        tools.map(({ name }) => name),
        ["run_code", "run_project", "read_output", "list_interpreters"],
      );
      for (const { inputSchema, outputSchema, description = "" } of tools) {
        assert.equal(inputSchema["type"], "object");
        assert.equal(outputSchema?.["type"], "object");
        assert.ok(description.length > 50);
      }
      assert.match(tools[0]?.description ?? "", /No network.*read_output within 60 s/);
    });

    it("runs code and tells its end, what it printed and what it used", async () => {
      const rig = makeMcpRig();
      rig.runner.script = (run) => {
        run.start();
        run.print("out\n");
        run.print("err\n", "stderr");
        run.end({ outcome: { kind: "exited", exitCode: 3 } });
      };
      const agent = await connect(rig, era);
      const { isError, texts, structured } = await agent.call("run_code", { code: "1" });
      assert.equal(isError, false);
      assert.match(texts[0] ?? "", /^How it ended: exited with code 3\. It used 0\.250 s/);
      assert.match(texts[1] ?? "", /^\[(\w{16})\] stdout begins\nout\n\n\[\1\] stdout ends$/);
      assert.match(texts[2] ?? "", /stderr begins\nerr\n/);
      assert.equal(structured["exit_code"], 3);
      assert.equal(structured["succeeded"], false);
      assert.deepEqual(structured["stdout"], { text: "out\n", left_out: 0, cut: false });
    });

    it("passes progress on: the place in the queue, then the time", async () => {
      const rig = makeMcpRig({ maxRunning: 1 });
      const agent = await connect(rig, era);
      const first = agent.call("run_code", { code: "1" });
      const running = await rig.runner.next();
      const seen: string[] = [];
      const onprogress = ({ message = "" }) => void seen.push(message);
      const second = agent.call("run_code", { code: "2" }, { onprogress });
      // The clock goes on until it is told.
      const until = async (words: RegExp) => {
        while (!seen.some((message) => words.test(message))) {
          rig.clock.advance(500);
          await settle();
        }
      };
      await until(/^Waiting in the queue, place 1$/);
      running.start();
      running.end();
      const next = await rig.runner.next();
      next.start();
      await until(/^Running for \d+ s$/);
      next.end();
      await Promise.all([first, second]);
    });

    it("shows images that are ones, and links to everything", async () => {
      const rig = makeMcpRig();
      rig.runner.script = makes({
        "plot.png": PNG,
        "fake.png": "<svg onload=x>",
        "a b.csv": "1,2",
      });
      const agent = await connect(rig, era);
      const { images, links, texts } = await agent.call("run_code", { code: "1" });
      assert.deepEqual(
        images.map(({ data, mimeType }) => [mimeType, data]),
        [["image/png", PNG.toString("base64")]],
      );
      assert.match(texts[0] ?? "", /- "plot.png", 12 bytes, shown below\n- "fake.png", 14 bytes\n/);
      assert.equal(links.length, 3);
      const { contents } = await agent.client.readResource({ uri: links[2]?.uri ?? "" });
      assert.deepEqual(contents, [{ uri: links[2]?.uri, mimeType: "text/plain", text: "1,2" }]);
    });

    it("reads texts by pieces and images whole", async () => {
      const rig = makeMcpRig();
      const long = "é".repeat(50_000);
      rig.runner.script = makes({ "long.txt": long, "p.png": PNG, "b.bin": Uint8Array.of(0, 255) });
      const agent = await connect(rig, era);
      const { structured } = await agent.call("run_code", { code: "1" });
      const job_id = structured["job_id"];
      let offset = 0;
      let whole = "";
      for (let more = true; more; ) {
        const piece = await agent.call("read_output", { job_id, path: "long.txt", offset });
        whole += piece.texts[1]?.split("\n")[1];
        more = piece.structured["more"] === true;
        offset += Number(piece.structured["bytes"]);
      }
      assert.equal(whole, long);
      const image = await agent.call("read_output", { job_id, path: "p.png" });
      assert.equal(image.images[0]?.mimeType, "image/png");
      const binary = await agent.call("read_output", { job_id, path: "b.bin" });
      assert.equal(binary.structured["kind"], "binary");
      assert.equal(binary.links.length, 1);
    });

    it("runs a project of files, whatever their names are", async () => {
      const rig = makeMcpRig();
      rig.runner.script = (run) => {
        const { files } = run.spec.input;
        run.print(files.map(({ path, bytes }) => `${path}=${Buffer.from(bytes)}`).join(" "));
        run.end();
      };
      const agent = await connect(rig, era);
      const { structured } = await agent.call("run_project", {
        files: [
          { path: "src/app.py", content: "import lib" },
          { path: "__proto__", content: "YWJj", encoding: "base64" },
          { path: "constructor", content: "c" },
        ],
        entrypoint: "src/app.py",
        args: ["a"],
      });
      assert.deepEqual(structured["stdout"], {
        text: "src/app.py=import lib __proto__=abc constructor=c",
        left_out: 0,
        cut: false,
      });
      assert.deepEqual(rig.runner.runs[0]?.spec.manifest.args, ["a"]);
    });

    it("lists interpreters and environments", async () => {
      const agent = await connect(makeMcpRig(), era);
      const { structured } = await agent.call("list_interpreters", {});
      const { interpreters, environments } = structured as Record<string, { name: string }[]>;
      assert.equal(interpreters?.[0]?.name, "python3");
      assert.equal(environments?.[0]?.name, "science");
    });

    it("runs calls side by side", async () => {
      const rig = makeMcpRig();
      const agent = await connect(rig, era);
      const calls = ["a", "b"].map((code) => agent.call("run_code", { code }));
      const runs = [await rig.runner.next(), await rig.runner.next()];
      for (const run of runs.reverse()) echo(run);
      const texts = (await Promise.all(calls)).map(({ structured }) => structured["stdout"]);
      assert.deepEqual(
        texts.map((stdout) => (stdout as { text: string }).text),
        ["a", "b"],
      );
    });
  });
}

describe("what a job is given", () => {
  it("gets 30 seconds unless it asks for others", async () => {
    const rig = makeMcpRig();
    rig.runner.script = echo;
    const agent = await connect(rig);
    await agent.call("run_code", { code: "1" });
    await agent.call("run_code", { code: "1", timeout: 90, env: { constructor: "x" } });
    const [first, second] = rig.runner.runs.map(({ spec }) => spec.manifest);
    assert.equal(first?.timeoutSeconds, 30);
    assert.equal(second?.timeoutSeconds, 90);
    assert.equal(second?.env["constructor"], "x");
  });

  it("is destroyed at once when nothing is left to read", async () => {
    const rig = makeMcpRig();
    const agent = await connect(rig);
    rig.runner.script = echo;
    const told = await agent.call("run_code", { code: "1" });
    rig.runner.script = makes({ "a.txt": "1" });
    const more = await agent.call("run_code", { code: "1" });
    await settle();
    const isThere = ({ structured }: Result) => rig.engine.find(String(structured["job_id"]));
    assert.equal(isThere(told), undefined);
    assert.ok(isThere(more));
  });

  it("counts for who asked, not for the proxy between", async () => {
    const rig = makeMcpRig({ behindProxy: true, maxRunning: 1, maxWaiting: 1 });
    const from = (address: string) =>
      connect(async (url, init) => {
        const request = new Request(url, init);
        request.headers.set("x-forwarded-for", address);
        return rig.app.fetch(request);
      });
    const [one, other] = [await from("192.0.2.1"), await from("192.0.2.2")];
    const calls = [one, one, other, other].map((agent) => agent.call("run_code", { code: "1" }));
    for (let turn = 0; turn < 500 && rig.engine.totals().waiting < 2; turn++) await settle();
    const { running, waiting } = rig.engine.totals();
    assert.deepEqual([running, waiting], [2, 2]);
    assert.equal((await one.call("run_code", { code: "1" })).isError, true);
    for (const agent of [one, other]) await agent.close();
    await Promise.allSettled(calls);
  });

  it("counts for the caller's own quota", async () => {
    const rig = makeMcpRig({ maxRunning: 1, maxWaiting: 1 });
    const agent = await connect(rig);
    const calls = [agent.call("run_code", { code: "1" }), agent.call("run_code", { code: "1" })];
    await rig.runner.next();
    while (rig.engine.totals().waiting === 0) await settle();
    const third = await agent.call("run_code", { code: "1" });
    assert.equal(third.isError, true);
    assert.match(third.texts[0] ?? "", /as many jobs here as one caller may have.*Try again in/);
    await agent.close();
    await Promise.allSettled(calls);
  });
});
