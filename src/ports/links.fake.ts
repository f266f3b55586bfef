import type { InterfaceName } from "../base/interface-name.ts";
import { LinkError, type Links } from "./links.ts";

export class FakeLinks implements Links {
  isFiltered = false;
  /** Non-empty: every change fails with it. */
  refusal = "";
  readonly hairpin = new Set<InterfaceName>();

  isBridgeFiltered(): Promise<boolean> {
    return Promise.resolve(this.isFiltered);
  }

  setHairpin(ports: readonly InterfaceName[]): Promise<void> {
    if (this.refusal !== "") return Promise.reject(new LinkError(this.refusal));
    for (const port of ports) this.hairpin.add(port);
    return Promise.resolve();
  }
}
