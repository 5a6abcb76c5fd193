import fc from "fast-check";

/** Changes some bytes, cuts, doubles or moves a part: what a fuzzer without knowledge does. */
export function mutated(valid: Buffer) {
  const at = fc.nat(valid.length - 1);
  const set = fc.tuple(at, fc.nat(255)).map(([where, byte]) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes);
    copy[where % copy.length] = byte;
    return copy;
  });
  const cut = at.map((where) => (bytes: Buffer) => bytes.subarray(0, Math.max(where, 1)));
  const repeat = fc.tuple(at, fc.nat(600)).map(
    ([where, length]) =>
      (bytes: Buffer) =>
        Buffer.concat([
          bytes.subarray(0, where),
          bytes.subarray(where, where + length),
          bytes.subarray(where),
        ]),
  );
  return fc
    .array(fc.oneof({ weight: 6, arbitrary: set }, cut, repeat), { minLength: 1, maxLength: 4 })
    .map((changes) => changes.reduce<Buffer>((bytes, change) => change(bytes), valid));
}
