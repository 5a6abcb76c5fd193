/** A box that is ready for a job, and what was read of its slot when it was made. */
import type { BoxRequest } from "../core/wire.ts";
import { Box } from "./box.ts";
import type { Groups, HeldLimits } from "./groups.ts";

export class PreparedBox {
  readonly box: Box;
  readonly limits: HeldLimits;
  /** Its program was started and waits. */
  readonly holds: boolean;

  private constructor(box: Box, limits: HeldLimits, holds: boolean) {
    this.box = box;
    this.limits = limits;
    this.holds = holds;
  }

  /**
   * @param hold payload of HOLD, for a box in which a program waits. When it rejects, nothing of the
   *   box is left.
   * @param scratch see Box.makeScratch
   * @throws SandboxFault with the step that failed.
   */
  static async build(
    keeper: string,
    request: BoxRequest,
    groups: Groups,
    hold?: Uint8Array,
    scratch?: Buffer,
  ): Promise<PreparedBox> {
    const box = await Box.build(keeper, request, hold, scratch);
    try {
      return new PreparedBox(box, groups.limitsOf(request.slot), hold !== undefined);
    } catch (fault) {
      await box.destroy();
      throw fault;
    }
  }

  get gone(): Promise<void> {
    return this.box.gone;
  }

  destroy(): Promise<void> {
    return this.box.destroy();
  }
}
