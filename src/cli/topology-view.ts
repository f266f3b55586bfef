import { formatPrefix, formatAddressRange } from "../base/address.ts";
import type { NatIntent, NetworkIntent } from "../model/intent.ts";
import type { GuestState, NicState } from "../model/state.ts";
import { uplinkNames } from "../model/uplinks.ts";
import type { Desired } from "../reconcile/decide.ts";
import type { IntegrationStatus } from "../wire/daemon-status.ts";
import { formatMapping } from "./print-status.ts";

/** Who stands where: the body of `virtwall topology --json`. */
export interface Topology {
  readonly uplinks: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  readonly networks: readonly NetworkView[];
  /** Guests of which no nic stands in a network. */
  readonly elsewhere: readonly GuestView[];
  /** Other firewalls that guests' packets meet, and what is done about it, as in `status`. Null where nobody looks. */
  readonly firewalls: IntegrationStatus["firewalls"] | null;
}

export interface NetworkView {
  readonly name: string;
  readonly mode: string;
  readonly bridge: string;
  readonly prefixes: readonly string[];
  /** How sources are rewritten on the way out: `the uplink's address`, or which. */
  readonly nat?: string;
  readonly isIsolated: boolean;
  /** Names of the networks that its guests may reach. */
  readonly reach: readonly string[];
  readonly guests: readonly GuestView[];
}

/** A guest with its nics in one network. */
export interface GuestView {
  readonly name: string;
  readonly groups: readonly string[];
  readonly nics: readonly {
    readonly tap?: string;
    readonly mac: string;
    readonly addresses: readonly string[];
    /** With `(CLOSED)` and the like where it is not enforced. */
    readonly filter?: string;
  }[];
  /** `203.0.113.10 tcp/8080:80`, where the guest has its addresses. */
  readonly publications: readonly string[];
}

export function viewTopology(
  { inventory, policy, compiled }: Desired,
  integration: IntegrationStatus | undefined,
): Topology {
  const { networks } = compiled.intent;
  const bridges = new Set<string | undefined>(networks.map(({ bridge }) => bridge));
  const uplinks = uplinkNames(policy.host, inventory.host);
  const standing = (isHere: (nic: NicState) => boolean): GuestView[] =>
    compiled.guests.flatMap((guest) => {
      const nics = guest.nics.filter(isHere);
      return nics.length === 0 ? [] : [viewGuest(guest, nics, compiled.publications)];
    });
  return {
    uplinks: inventory.host.interfaces
      .filter(({ name }) => uplinks.has(name))
      .map(({ name, addresses }) => ({ name, addresses })),
    networks: networks.map((network) => ({
      ...viewNetwork(network, networks),
      guests: standing(({ bridge }) => bridge === network.bridge),
    })),
    elsewhere: standing(({ bridge }) => !bridges.has(bridge)),
    firewalls:
      integration === undefined || integration.mode === "off" ? null : integration.firewalls,
  };
}

function viewNetwork(
  { name, mode, bridge, subnets, isolate, reach, nat4, nat6 }: NetworkIntent,
  all: readonly NetworkIntent[],
): Omit<NetworkView, "guests"> {
  const nat = [...new Set([nat4, nat6].flatMap((each) => (each ? [sourceOf(each)] : [])))];
  return {
    name,
    mode,
    bridge,
    prefixes: subnets.map(formatPrefix),
    ...(nat.length > 0 && { nat: nat.join(", ") }),
    isIsolated: isolate,
    reach: reach.flatMap((other) => all.find((network) => network.bridge === other)?.name ?? []),
  };
}

function sourceOf({ addresses }: NatIntent): string {
  return addresses === undefined ? "the uplink's address" : formatAddressRange(addresses);
}

function viewGuest(
  { name, groups }: GuestState,
  nics: readonly NicState[],
  publications: Desired["compiled"]["publications"],
): GuestView {
  const own = new Set<string>(
    nics.flatMap(({ addresses }) => addresses.map(({ address }) => address)),
  );
  return {
    name,
    groups,
    nics: nics.map(({ tap, mac, addresses, filter, libvirtFilter }) => ({
      ...(tap !== undefined && { tap }),
      mac,
      addresses: addresses.map(({ address }) => address),
      ...(filter
        ? {
            filter:
              filter.state === "enforced"
                ? filter.name
                : `${filter.name} (${filter.state.toUpperCase()})`,
          }
        : libvirtFilter && { filter: `${libvirtFilter.name} (by libvirt)` }),
    })),
    publications: publications
      .filter((publication) => publication.guest === name)
      .flatMap(({ protocol, public: open, guestPorts, targets }) =>
        targets
          .filter(({ guestAddress }) => own.has(guestAddress))
          .map(
            ({ address }) =>
              `${address} ${formatMapping({ protocol, public: open, guest: guestPorts })}`,
          ),
      ),
  };
}
