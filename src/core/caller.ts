/** Who sends a job: keyed hashes of the address, made in http/caller.ts; the address is not kept. */
export interface Caller {
  readonly key: string;
  /**
   * Of the wider network that the caller shares with others who may all be one and the same:
   * an IPv6 /48 has 65,536 of the /64 that count as a caller. Undefined = there is none.
   */
  readonly group: string | undefined;
}
