import type { Address } from "../base/address.ts";
import type { GuestState, NicFilter, NicFilterState, NicState } from "../model/state.ts";

/** A filter on one nic, in the body of `virtwall nwfilter bindings --json`. */
export interface NicBinding {
  /** Null: the nic has none yet. */
  readonly tap: string | null;
  readonly guest: string;
  readonly mac: string;
  readonly filter: string;
  readonly parameters: NicFilter["parameters"];
  readonly enforcedBy: "virtwall" | "libvirt" | "nobody";
  /** What passes where nobody does: `closed` nothing, `open` everything. */
  readonly state: NicFilterState["state"];
  /** Why nobody does. */
  readonly reason: string | null;
  readonly learned: readonly Address[];
  /** By libvirt's own DHCP server. */
  readonly leased: readonly Address[];
}

/** Of every nic that runs; one that both virtwall and libvirt enforce has two. */
export function nicBindings(guests: readonly GuestState[]): NicBinding[] {
  return guests.flatMap(({ name, nics }) => nics.flatMap((nic) => bindingsOf(name, nic)));
}

function bindingsOf(guest: string, { tap, mac, filter, libvirtFilter }: NicState) {
  const nic = { tap: tap ?? null, guest, mac };
  const bindings: NicBinding[] = [];
  if (filter !== undefined) {
    const { name, parameters, state, reason = null, learned = [], leased = [] } = filter;
    const enforcedBy = state === "enforced" ? "virtwall" : "nobody";
    const known = { learned, leased };
    bindings.push({ ...nic, filter: name, parameters, enforcedBy, state, reason, ...known });
  }
  if (libvirtFilter !== undefined) {
    const { name, parameters } = libvirtFilter;
    const theirs = { enforcedBy: "libvirt", state: "enforced", reason: null } as const;
    bindings.push({ ...nic, filter: name, parameters, ...theirs, learned: [], leased: [] });
  }
  return bindings;
}

/** `CLOSED: there is no such filter` */
export function nobodyText({ state, reason }: NicBinding): string {
  return `${state.toUpperCase()}${reason === null ? "" : `: ${reason}`}`;
}

/** `IP=10.0.0.2,10.0.0.3 MAC=…` */
export function formatParameters(parameters: NicFilter["parameters"]): string {
  return Object.entries(parameters)
    .map(([name, values]) => `${name}=${values.join(",")}`)
    .join(" ");
}
