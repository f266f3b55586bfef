import { GateClient, openGateSocket } from "../edge/nft/gate-client.ts";
import { NftKernel } from "../edge/nft/kernel.ts";
import { isUnserved, openTransientGate } from "../edge/nft/start-gate.ts";
import type { Settings } from "./settings.ts";

/**
 * The kernel to write to: through the gate that runs, since nobody else may write while it owns the tables, otherwise through one
 * for this command alone.
 */
export function openKernel(settings: Settings): { kernel: NftKernel; close: () => void } {
  const gate = new GateClient(async () => {
    try {
      return await openGateSocket(settings.gateSocket);
    } catch (error) {
      if (isUnserved(error)) return openTransientGate();
      throw error;
    }
  });
  return { kernel: new NftKernel(gate), close: () => gate.close() };
}
