/**
 * An indexed binary heap: who comes first is read in O(1); to add, to remove anyone and to re-rank
 * anyone are O(log n), at most 2 log2(n) + 2 comparisons each, with no search: each item carries
 * its own place in the field that the heap was given, -1 while it is in none. An item can so be in
 * several heaps, each with a field of its own.
 *
 * The order must not change behind the heap's back: whoever changes a rank calls `put`.
 */
export class Heap<Field extends string, Item extends Record<Field, number>> {
  readonly #items: Item[] = [];
  readonly #field: Field;
  readonly #isBefore: (a: Item, b: Item) => boolean;

  /** @param isBefore a strict order */
  constructor(field: Field, isBefore: (a: Item, b: Item) => boolean) {
    this.#field = field;
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): Item | undefined {
    return this.#items[0];
  }

  /** In no order. */
  [Symbol.iterator](): Iterator<Item> {
    return this.#items.values();
  }

  /** Adds it, or moves it to where its rank belongs now. */
  put(item: Item): void {
    const at = item[this.#field];
    if (at >= 0) {
      this.#settle(item, at);
      return;
    }
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Does nothing for one that is not in it. */
  remove(item: Item): void {
    const at = item[this.#field];
    const last = this.#items.at(-1);
    if (at < 0 || last === undefined) return;
    this.#items.pop();
    this.#note(item, -1);
    if (last !== item) this.#settle(last, at);
  }

  /** Puts `item` at the hole `at`, then where it belongs. */
  #settle(item: Item, at: number): void {
    const above = this.#items[(at - 1) >> 1];
    if (at > 0 && above !== undefined && this.#isBefore(item, above)) this.#rise(item, at);
    else this.#sink(item, at);
  }

  #rise(item: Item, from: number): void {
    let at = from;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const above = this.#items[up];
      if (above === undefined || !this.#isBefore(item, above)) break;
      this.#put(above, at);
      at = up;
    }
    this.#put(item, at);
  }

  #sink(item: Item, from: number): void {
    let at = from;
    for (;;) {
      const left = this.#items[2 * at + 1];
      const right = this.#items[2 * at + 2];
      const isRight = left !== undefined && right !== undefined && this.#isBefore(right, left);
      const below = isRight ? right : left;
      if (below === undefined || !this.#isBefore(below, item)) break;
      this.#put(below, at);
      at = 2 * at + (isRight ? 2 : 1);
    }
    this.#put(item, at);
  }

  #put(item: Item, at: number): void {
    this.#items[at] = item;
    this.#note(item, at);
  }

  #note(item: Record<Field, number>, at: number): void {
    item[this.#field] = at as Item[Field];
  }
}
