import { execFileSync } from "node:child_process";
import { openKernel } from "../../src/edge/nft/open-kernel.ts";
import { NftKernel } from "../../src/edge/nft/kernel.ts";
import { kernelContract } from "../../src/ports/kernel-contract.fake.ts";
import { buildGate } from "./gate-program.ts";

const nothing = (): undefined => undefined;
const flush = () => execFileSync("nft", ["flush", "ruleset"]);

kernelContract("through a gate", async () => {
  flush();
  const socket = `/run/contract-${process.pid}/gate.sock`;
  const kernel = await openKernel({ gate: "transient", socket, command: await buildGate() });
  return { kernel, willBecome: nothing, willRefuse: nothing, close: () => kernel.close() };
});

kernelContract("through nft alone", async () => {
  // The gate of the tests above ends by itself; its tables have no owner then.
  for (let attempt = 0; attempt < 100 && listed().includes("virtwall"); attempt++) {
    flush();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const kernel = new NftKernel("a test without a gate");
  return { kernel, willBecome: nothing, willRefuse: nothing, close: () => void flush() };
});

function listed(): string {
  return execFileSync("nft", ["list", "tables"], { encoding: "utf8" });
}
