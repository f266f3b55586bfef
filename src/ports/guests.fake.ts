import type { GuestControl, GuestSide } from "./guests.ts";
import { SourceError } from "./sources.ts";

/** One guest of a libvirt in memory, with one nic. */
export class FakeGuest implements Pick<GuestControl, "updateNic" | "setMetadata"> {
  readonly nics: Record<GuestSide, string>;
  readonly texts: Record<GuestSide, string | undefined>;
  /** Calls of this name fail, as often as it stands here. */
  readonly refusals: string[] = [];
  readonly calls: string[] = [];

  constructor(nic: string, metadata: Partial<Record<GuestSide, string>>) {
    this.nics = { live: nic, config: nic };
    this.texts = { live: metadata.live, config: metadata.config };
  }

  updateNic(_uuid: string, side: GuestSide, xml: string): Promise<void> {
    if (this.nics[side] === xml) return Promise.resolve();
    return this.#do(`updateNic ${side}`, () => (this.nics[side] = xml));
  }

  setMetadata(_uuid: string, side: GuestSide, xml: string | undefined): Promise<void> {
    if (this.texts[side] === xml) return Promise.resolve();
    return this.#do(`setMetadata ${side}`, () => (this.texts[side] = xml));
  }

  #do(call: string, action: () => void): Promise<void> {
    this.calls.push(call);
    const refused = this.refusals.indexOf(call);
    if (refused >= 0) {
      this.refusals.splice(refused, 1);
      return Promise.reject(new SourceError(`${call} refused`));
    }
    action();
    return Promise.resolve();
  }
}
