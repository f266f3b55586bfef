import type { InterfaceName } from "../base/interface-name.ts";
import type { BridgeFacts } from "../model/inventory.ts";

/** What virtwall changes of the host's links. */
export interface Links {
  /** Of this namespace and this kernel. */
  bridges(): Promise<BridgeFacts>;
  /**
   * Lets these bridge ports send a frame back to where it came from. A port that is gone by now is passed over.
   * Throws {@link LinkError}.
   */
  setHairpin(ports: readonly InterfaceName[]): Promise<void>;
  /** Takes that back, in the same way. */
  clearHairpin(ports: readonly InterfaceName[]): Promise<void>;
  /** Makes each tap a port of its bridge, in the same way. */
  enslave(taps: readonly BridgePort[]): Promise<void>;
}

export interface BridgePort {
  readonly tap: InterfaceName;
  readonly bridge: InterfaceName;
}

/** The machine refused, in its own words. */
export class LinkError extends Error {
  override readonly name = "LinkError";
}
