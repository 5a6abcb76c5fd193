/**
 * Readers turn untrusted JSON into typed values. A server may be hostile or simply not ours, so
 * nothing it sends is used before its shape was looked at. Fields nobody asked for are dropped.
 */

/** Returns the value as `T` or throws a `DecodeError` that names where. */
export type Reader<T> = (value: unknown, where: string) => T;

type Fields<S> = { [K in keyof S]: S[K] extends Reader<infer T> ? T : never };

/** A value had another shape than the contract says; the message is the place. */
export class DecodeError extends Error {}

export const text: Reader<string> = (value, where) => {
  if (typeof value !== "string") throw new DecodeError(`${where} is not a string`);
  return value;
};

/** A finite number that is not negative: every number of the API is a count or an amount. */
export const amount: Reader<number> = (value, where) => {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0)
    throw new DecodeError(`${where} is not an amount`);
  return value;
};

export const flag: Reader<boolean> = (value, where) => {
  if (typeof value !== "boolean") throw new DecodeError(`${where} is not true or false`);
  return value;
};

/** One of a few words. */
export function word<const W extends string>(...words: readonly W[]): Reader<W> {
  return (value, where) => {
    const found = words.find((candidate) => candidate === value);
    if (found === undefined) throw new DecodeError(`${where} is none of ${words.join(", ")}`);
    return found;
  };
}

export function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, where) =>
    value === undefined || value === null ? undefined : reader(value, where);
}

/** `fallback` when the field is absent. */
export function withDefault<T>(reader: Reader<T>, fallback: T): Reader<T> {
  return (value, where) => (value === undefined ? fallback : reader(value, where));
}

export function list<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (value, where) => {
    if (!Array.isArray(value)) throw new DecodeError(`${where} is not a list`);
    return value.map((item, index) => reader(item, `${where}[${index}]`));
  };
}

export function record<S extends Record<string, Reader<unknown>>>(
  shape: S,
): Reader<Readonly<Fields<S>>> {
  return (value, where) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new DecodeError(`${where} is not an object`);
    const given = new Map<string, unknown>(Object.entries(value));
    const read = Object.entries(shape).map(([name, reader]) => [
      name,
      reader(given.get(name), where === "" ? name : `${where}.${name}`),
    ]);
    return Object.fromEntries(read) as Fields<S>;
  };
}
