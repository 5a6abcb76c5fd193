import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Heap } from "../../src/queue/heap.ts";

interface Item {
  rank: number;
  at: number;
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom("put", "put", "remove", "rerank"),
    pick: fc.nat(15),
    rank: fc.nat(20),
  }),
  { maxLength: 200, size: "max" },
);

describe("Heap", () => {
  it("has the smallest first, and knows each item's place, whatever comes, goes and changes", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const items: Item[] = Array.from({ length: 16 }, () => ({ rank: 0, at: -1 }));
        const heap = new Heap<"at", Item>("at", (a, b) => a.rank < b.rank);
        const inside = new Set<Item>();
        for (const { kind, pick, rank } of all) {
          const item = items[pick] as Item;
          if (kind === "remove") {
            heap.remove(item);
            inside.delete(item);
          } else if (kind === "put" || inside.has(item)) {
            item.rank = rank;
            heap.put(item);
            inside.add(item);
          }
          const ranks = [...inside].map((one) => one.rank);
          assert.equal(heap.first?.rank, ranks.length === 0 ? undefined : Math.min(...ranks));
          assert.deepEqual(new Set(heap), inside);
          const list = [...heap];
          for (const [at, one] of list.entries()) {
            assert.equal(one.at, at);
            const above = list[(at - 1) >> 1];
            if (at > 0) assert.ok(above !== undefined && above.rank <= one.rank);
          }
          for (const one of items) if (!inside.has(one)) assert.equal(one.at, -1);
        }
      }),
    );
  });

  it("gives all in order", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { maxLength: 300, size: "max" }), (ranks) => {
        const heap = new Heap<"at", Item>("at", (a, b) => a.rank < b.rank);
        for (const rank of ranks) heap.put({ rank, at: -1 });
        const got: number[] = [];
        for (let first = heap.first; first !== undefined; first = heap.first) {
          got.push(first.rank);
          heap.remove(first);
        }
        assert.deepEqual(
          got,
          ranks.toSorted((a, b) => a - b),
        );
        assert.equal(heap.size, 0);
      }),
    );
  });

  it("compares at most 2 log2(n) + 2 times for anything, with 2^17 items in it", () => {
    let comparisons = 0;
    const heap = new Heap<"at", Item>("at", (a, b) => {
      comparisons += 1;
      return a.rank < b.rank;
    });
    const items = Array.from({ length: 2 ** 17 }, (_, i) => ({
      rank: (i * 7919) % 131_071,
      at: -1,
    }));
    const most = 2 * 17 + 2;
    const count = (action: () => void) => {
      comparisons = 0;
      action();
      assert.ok(comparisons <= most, `${comparisons} comparisons`);
    };
    for (const item of items) count(() => heap.put(item));
    for (const [i, item] of items.entries()) {
      if (i % 3 === 0) count(() => heap.remove(item));
      else if (i % 3 === 1) {
        item.rank = (i * 104_729) % 262_139;
        count(() => heap.put(item));
      } else count(() => heap.remove(heap.first as Item));
    }
  });
});
