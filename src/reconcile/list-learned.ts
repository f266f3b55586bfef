import type { Address } from "../base/address.ts";
import { isLearned, readLearned } from "../compile/read-learned.ts";
import { KernelError, type Kernel } from "../ports/kernel.ts";

/** Addresses that the kernel has learned, by tap; none where it does not answer. */
export async function listLearned(
  kernel: Pick<Kernel, "readSets">,
): Promise<ReadonlyMap<string, readonly Address[]>> {
  try {
    return readLearned(await kernel.readSets(isLearned));
  } catch (error) {
    if (error instanceof KernelError) return new Map();
    throw error;
  }
}
