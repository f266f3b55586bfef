import type { InterfaceName } from "../base/interface-name.ts";
import type { HostInterface } from "../model/inventory.ts";
import type { MovedTaps } from "../ports/sources.ts";

/**
 * A nic that is plugged into a guest that runs is in its XML only after its tap is there (libvirt, end of qemuDomainAttachNetDevice): an
 * answer of before this time says nothing of a tap that has come. The daemon asks once more soon after it.
 */
export const namedWithinMs = 1_900;

/** Taps, as one listing of the host's links after another shows them. */
export class SeenTaps {
  #masters: ReadonlyMap<InterfaceName, string> | undefined;
  readonly #moved = new Set<InterfaceName>();
  /** With when they came, on the clock of `performance.now`. */
  readonly #fresh = new Map<InterfaceName, number>();

  see(interfaces: readonly HostInterface[]): void {
    const taps = interfaces.filter(({ kind }) => kind === "tun" || kind === "macvtap");
    const seen = new Map(taps.map(({ name, master = "" }) => [name, master]));
    const before = this.#masters;
    this.#masters = seen;
    if (before === undefined) return;
    for (const tap of new Set([...before.keys(), ...seen.keys()])) {
      if (before.get(tap) !== seen.get(tap)) this.#moved.add(tap);
      if (!before.has(tap)) this.#fresh.set(tap, performance.now());
      if (!seen.has(tap)) this.#fresh.delete(tap);
    }
  }

  has(tap: InterfaceName): boolean {
    return this.#masters?.has(tap) === true;
  }

  /** Since this was last asked. */
  takeMoved(): MovedTaps {
    const taps = [...this.#moved];
    this.#moved.clear();
    return { taps, gone: taps.filter((tap) => !this.has(tap)) };
  }

  /** Those that were there last. */
  get all(): readonly InterfaceName[] {
    return [...(this.#masters?.keys() ?? [])];
  }

  /** Those that have come and are not settled: nobody was asked yet whose they are. */
  get fresh(): readonly InterfaceName[] {
    return [...this.#fresh.keys()];
  }

  /** Of the fresh ones those of which libvirt knows by now whose they are. */
  get named(): readonly InterfaceName[] {
    const latest = performance.now() - namedWithinMs;
    return this.fresh.filter((tap) => (this.#fresh.get(tap) ?? Infinity) <= latest);
  }

  /** True if any of these was fresh. */
  settle(taps: readonly InterfaceName[]): boolean {
    return taps.filter((tap) => this.#fresh.delete(tap)).length > 0;
  }
}
