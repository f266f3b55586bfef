import type { InterfaceName } from "../base/interface-name.ts";
import type { HostInterface } from "../model/inventory.ts";

/** Taps, as one listing of the host's links after another shows them. */
export class SeenTaps {
  #masters: ReadonlyMap<InterfaceName, string> | undefined;
  readonly #moved = new Set<InterfaceName>();
  readonly #fresh = new Set<InterfaceName>();

  see(interfaces: readonly HostInterface[]): void {
    const taps = interfaces.filter(({ kind }) => kind === "tun" || kind === "macvtap");
    const seen = new Map(taps.map(({ name, master = "" }) => [name, master]));
    const before = this.#masters;
    this.#masters = seen;
    if (before === undefined) return;
    for (const tap of new Set([...before.keys(), ...seen.keys()])) {
      if (before.get(tap) !== seen.get(tap)) this.#moved.add(tap);
      if (!before.has(tap)) this.#fresh.add(tap);
      if (!seen.has(tap)) this.#fresh.delete(tap);
    }
  }

  has(tap: InterfaceName): boolean {
    return this.#masters?.has(tap) === true;
  }

  /** Those that appeared, went or changed their bridge, since this was last asked. */
  takeMoved(): InterfaceName[] {
    const moved = [...this.#moved];
    this.#moved.clear();
    return moved;
  }

  /** Those that have come and are not settled: nobody was asked yet whose they are. */
  get fresh(): readonly InterfaceName[] {
    return [...this.#fresh];
  }

  /** True if any of these was fresh. */
  settle(taps: readonly InterfaceName[]): boolean {
    return taps.filter((tap) => this.#fresh.delete(tap)).length > 0;
  }
}
