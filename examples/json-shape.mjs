// Describes the shape of a JSON document: which fields its objects have, of which types, how often,
// and within which bounds. Run it with: sandrun examples/json-shape.mjs < data.json
import { readFileSync } from "node:fs";

const kindOf = (value) =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value;

/** What is known of all values at one place of the document. */
class Place {
  kinds = new Map();
  fields = new Map();
  items = undefined;
  smallest = Infinity;
  largest = -Infinity;

  add(value) {
    const kind = kindOf(value);
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    if (kind === "object") for (const [name, inner] of Object.entries(value)) this.field(name).add(inner);
    if (kind === "array") {
      this.items ??= new Place();
      for (const inner of value) this.items.add(inner);
    }
    if (kind === "number") this.bound(value);
    if (kind === "string" || kind === "array") this.bound(value.length);
  }

  field(name) {
    if (!this.fields.has(name)) this.fields.set(name, new Place());
    return this.fields.get(name);
  }

  bound(size) {
    this.smallest = Math.min(this.smallest, size);
    this.largest = Math.max(this.largest, size);
  }

  get count() {
    return [...this.kinds.values()].reduce((sum, n) => sum + n, 0);
  }

  /** For example "number 1..9" or "string of 3..12 | null". */
  describe() {
    const range = this.smallest === this.largest ? this.smallest : `${this.smallest}..${this.largest}`;
    const words = { number: `number ${range}`, string: `string of ${range}`, array: `array of ${range}` };
    return [...this.kinds.keys()].map((kind) => words[kind] ?? kind).join(" | ");
  }
}

function print(place, indent) {
  const objects = place.kinds.get("object") ?? 0;
  for (const [name, inner] of place.fields) {
    const sometimes = inner.count < objects ? ` (in ${inner.count} of ${objects})` : "";
    console.log(`${indent}${JSON.stringify(name)}: ${inner.describe()}${sometimes}`);
    print(inner, `${indent}  `);
  }
  if (place.items !== undefined && place.items.count > 0) {
    console.log(`${indent}each: ${place.items.describe()}`);
    print(place.items, `${indent}  `);
  }
}

const root = new Place();
root.add(JSON.parse(readFileSync(0, "utf8")));
console.log(root.describe());
print(root, "  ");
