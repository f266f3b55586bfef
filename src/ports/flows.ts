import type { Address } from "../base/address.ts";
import type { Flow } from "../model/flow.ts";

/** The connections that the kernel tracks. */
export interface Flows {
  /**
   * Those that have one of the addresses as source, destination or answerer. Throws KernelError where the listing fails: a part of
   * it is not an answer.
   */
  list(addresses: readonly Address[]): Promise<readonly Flow[]>;
  /**
   * Ends these very flows and no others: the next packet of one begins anew, and is judged as new. Answers how many were still
   * there. Throws KernelError.
   */
  cut(flows: readonly Flow[]): Promise<number>;
}
