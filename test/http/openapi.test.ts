import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openApi } from "../../src/http/openapi.ts";
import { ask, makeRig } from "../fakes/service.ts";

type Node = { readonly [key: string]: unknown };

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null;
}

function at(node: unknown, ...path: readonly string[]): unknown {
  return path.reduce((inner, key) => (isNode(inner) ? inner[key] : undefined), node);
}

function references(value: unknown): string[] {
  if (!isNode(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : references(inner),
  );
}

describe("openApi", () => {
  it("is served as it is made", async () => {
    const { json, headers } = await ask(makeRig(), "/openapi.json");
    assert.deepEqual(json, JSON.parse(JSON.stringify(openApi("1.2.3"))));
    assert.equal(headers.get("Content-Type"), "application/json");
  });

  it("names only addresses that exist, with the methods that they take", async () => {
    const rig = makeRig();
    const paths = at(openApi("1"), "paths");
    assert.ok(isNode(paths));
    for (const [path, item] of Object.entries(paths)) {
      for (const method of Object.keys(item as Node)) {
        const url = path.replace("{id}", "x").replace("{path}", "y");
        const { json } = await ask(rig, url, { method: method.toUpperCase() });
        assert.ok(json?.code !== "no_route" && json?.code !== "method_not_allowed", path);
      }
    }
  });

  it("names nothing that is not built", () => {
    assert.doesNotMatch(JSON.stringify(openApi("1")), /receipt|encrypt_to|metrics\b.*prometheus/);
  });

  it("refers only to schemas that are there", () => {
    const document = openApi("1");
    for (const reference of references(document)) {
      const path = reference.replace(/^#\//, "").split("/");
      assert.ok(isNode(at(document, ...path)), reference);
    }
  });

  it("says of a job what the checks say", () => {
    const job = at(openApi("1"), "components", "schemas", "Job");
    assert.equal(at(job, "additionalProperties"), false);
    assert.equal(at(job, "properties", "memory_mb", "maximum"), 2048);
    assert.equal(at(job, "properties", "timeout", "minimum"), 1);
    assert.equal(at(job, "properties", "code", "type"), "string");
  });
});
