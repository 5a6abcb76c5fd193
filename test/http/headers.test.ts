import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { attachment } from "../../src/http/headers.ts";
import { FakeOutputs } from "../fakes/runner.ts";
import { ask, echo, makeRig, post } from "../fakes/service.ts";

describe("every answer", () => {
  it("carries the headers that keep a job's bytes from being a page, and open CORS", async () => {
    const rig = makeRig();
    rig.runner.script = echo;
    const answers = [
      await post(rig, "/run", "<script>alert(1)</script>"),
      await post(rig, "/run", { code: "1" }),
      await ask(rig, "/"),
      await ask(rig, "/nowhere"),
      await ask(rig, "/status/x"),
      await ask(rig, "/run"),
      await post(rig, "/run", "", {}),
      await ask(rig, "/run", { method: "OPTIONS" }),
    ];
    for (const { headers } of answers) {
      assert.equal(headers.get("X-Content-Type-Options"), "nosniff");
      assert.equal(headers.get("Content-Security-Policy"), "sandbox; default-src 'none'");
      assert.equal(headers.get("Cache-Control"), "no-store");
      assert.equal(headers.get("Referrer-Policy"), "no-referrer");
      assert.equal(headers.get("Access-Control-Allow-Origin"), "*");
      assert.match(headers.get("Access-Control-Expose-Headers") ?? "", /Sandrun-Job-Id/);
      assert.equal(headers.get("Access-Control-Allow-Credentials"), null);
      assert.doesNotMatch(headers.get("Content-Type") ?? "", /html/);
    }
  });

  it("allows browsers the needed request headers only", async () => {
    const { status, headers } = await ask(makeRig(), "/run", {
      method: "OPTIONS",
      headers: {
        Origin: "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-forwarded-for",
      },
    });
    assert.equal(status, 204);
    assert.equal(headers.get("Access-Control-Allow-Headers"), "Content-Type, Last-Event-ID");
    assert.equal(headers.get("Access-Control-Allow-Methods"), "GET, HEAD, POST, DELETE");
  });
});

describe("attachment", () => {
  it("names the file, not its folder", () => {
    assert.equal(
      attachment("results/data.csv"),
      "attachment; filename=\"data.csv\"; filename*=UTF-8''data.csv",
    );
  });

  it("keeps any name inside its header and gives it back exactly", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (path) => {
        const header = attachment(path);
        const parts =
          /^attachment; filename="([A-Za-z0-9 ._-]+)"; filename\*=UTF-8''([\w!#$&+.^`|~%-]+)$/.exec(
            header,
          );
        assert.ok(parts !== null, header);
        assert.ok(!parts[1]?.startsWith("."));
        const name = path.toWellFormed().split("/").at(-1);
        assert.equal(decodeURIComponent(parts[2] ?? ""), name === "" ? "file" : name);
      }),
    );
  });

  it("does not let a name end the header", async () => {
    const rig = makeRig();
    const name = 'x"; filename=evil.html\r\nSet-Cookie: a=b';
    rig.runner.script = (run) => run.end({ outputs: new FakeOutputs({ [name]: "x" }) });
    const { headers } = await post(rig, "/run", "1");
    const id = headers.get("Sandrun-Job-Id");
    const answer = await ask(rig, `/download/${id}/${encodeURIComponent(name)}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("Set-Cookie"), null);
    assert.match(
      answer.headers.get("Content-Disposition") ?? "",
      /^attachment; filename="x__ filename_evil.html__Set-Cookie_ a_b"/,
    );
  });
});
