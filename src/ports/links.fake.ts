import type { InterfaceName } from "../base/interface-name.ts";
import type { BridgeFacts } from "../model/inventory.ts";
import { LinkError, type BridgePort, type Links } from "./links.ts";

export class FakeLinks implements Links {
  /** Of every bridge. */
  facts: BridgeFacts = { filtered: [], isTracked: true, canReject: true };
  /** Non-empty: every change fails with it. */
  refusal = "";
  readonly hairpin = new Set<InterfaceName>();
  readonly masters = new Map<InterfaceName, InterfaceName>();

  bridges(): Promise<BridgeFacts> {
    return Promise.resolve(this.facts);
  }

  setHairpin(ports: readonly InterfaceName[]): Promise<void> {
    if (this.refusal !== "") return Promise.reject(new LinkError(this.refusal));
    for (const port of ports) this.hairpin.add(port);
    return Promise.resolve();
  }

  clearHairpin(ports: readonly InterfaceName[]): Promise<void> {
    if (this.refusal !== "") return Promise.reject(new LinkError(this.refusal));
    for (const port of ports) this.hairpin.delete(port);
    return Promise.resolve();
  }

  enslave(taps: readonly BridgePort[]): Promise<void> {
    if (this.refusal !== "") return Promise.reject(new LinkError(this.refusal));
    for (const { tap, bridge } of taps) this.masters.set(tap, bridge);
    return Promise.resolve();
  }
}
