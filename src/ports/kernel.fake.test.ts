import { expect, it } from "vitest";
import { kernelContract } from "./kernel-contract.fake.ts";
import { FakeKernel } from "./kernel.fake.ts";
import { KernelError } from "./kernel.ts";

/** Refuses one commit in the words of nft. */
class RefusingKernel extends FakeKernel {
  override async commit(script: string): Promise<void> {
    try {
      await super.commit(script);
    } finally {
      this.commitFailure = undefined;
    }
  }
}

kernelContract("in memory", () => {
  const kernel = new RefusingKernel();
  return Promise.resolve({
    kernel,
    willBecome: (tables) => kernel.willBecome(tables),
    willRefuse: () => {
      kernel.commitFailure = "line 2:31-37: Error: No such file or directory";
    },
    close: () => undefined,
  });
});

it("a listing that fails is no empty listing", async () => {
  const kernel = new FakeKernel();
  kernel.listingFailure = "nft: killed";
  await expect(kernel.readTables()).rejects.toThrow(KernelError);
  await expect(kernel.readForeign()).rejects.toThrow("nft: killed");
});
