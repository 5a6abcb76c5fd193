/**
 * How many times longer things take here than on a machine of its own: 1, unless the environment
 * says otherwise, as the virtual machine does, whose processors are emulated. It stretches what the
 * tests wait for and allow; never a limit of the product.
 */
const SLOWNESS = Number(process.env["SANDRUN_TEST_SLOWNESS"] ?? 1);

/** Milliseconds, or seconds, that are enough on a machine of its own. */
export function patient(time: number): number {
  if (!(SLOWNESS >= 1)) throw new Error("SANDRUN_TEST_SLOWNESS is a number, 1 or more");
  return time * SLOWNESS;
}
