import type { InterfaceName } from "../base/interface-name.ts";

/** What virtwall changes of the host's links. */
export interface Links {
  /** Whether bridged frames also cross the filter of IP (br_netfilter, either family), which rewrites destinations on the bridge. */
  isBridgeFiltered(): Promise<boolean>;
  /**
   * Lets these bridge ports send a frame back to where it came from. A port that is gone by now is passed over.
   * Throws {@link LinkError}.
   */
  setHairpin(ports: readonly InterfaceName[]): Promise<void>;
}

/** The machine refused, in its own words. */
export class LinkError extends Error {
  override readonly name = "LinkError";
}
