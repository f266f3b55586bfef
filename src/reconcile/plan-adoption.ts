import { formatAddressRange } from "../base/address.ts";
import type { Guest, Inventory, Network } from "../model/inventory.ts";
import type { NetworkPolicy, Policy } from "../model/policy.ts";
import type { SavedAdoption } from "../ports/state.ts";

export interface AdoptionPlan {
  /** What the policy has to say of the network so that it means without libvirt's rules what it meant with them. */
  readonly keys: SavedAdoption["keys"];
  /** Why the network cannot be adopted without a change that nobody asked for; empty: it can. */
  readonly obstacles: readonly string[];
}

export interface AdoptionInput {
  readonly policy: Policy;
  readonly inventory: Inventory;
  readonly network: Network;
  /** As libvirt would start it the next time. */
  readonly kept?: Network;
}

export function planAdoption(input: AdoptionInput): AdoptionPlan {
  const { policy, network } = input;
  const wanted = policy.networks.get(network.name);
  return { keys: keysFor(network, wanted), obstacles: obstaclesOf(input, wanted) };
}

/** Only what the policy does not say yet. */
function keysFor(network: Network, wanted: NetworkPolicy | undefined): SavedAdoption["keys"] {
  const { forward } = network;
  if (forward !== "nat" && forward !== "route") return {};
  const mode = wanted?.mode === undefined ? { mode: forward } : {};
  if ((wanted?.mode ?? forward) !== "nat") return mode;
  const nat = natKeysFor(network, wanted);
  return Object.keys(nat).length === 0 ? mode : { ...mode, nat };
}

function natKeysFor(
  network: Network,
  wanted: NetworkPolicy | undefined,
): NonNullable<SavedAdoption["keys"]["nat"]> {
  const { addresses, ports, ipv6 } = wanted?.nat ?? {};
  const { natAddresses, natPorts } = network;
  return {
    ...(addresses === undefined && natAddresses && { address: formatAddressRange(natAddresses) }),
    ...(ports === undefined && natPorts && !isDefault(natPorts) && { ports: rangeOf(natPorts) }),
    ...(ipv6 === undefined && keepsSources6(network, wanted) && { ipv6: false }),
  };
}

/** What libvirt writes into every XML that says nothing of ports, and what a policy means that says nothing. */
function isDefault({ first, last }: { readonly first: number; readonly last: number }): boolean {
  return first === 1024 && last === 65535;
}

function rangeOf({ first, last }: { readonly first: number; readonly last: number }): string {
  return `${first}-${last}`;
}

/** IPv6 of a network that libvirt masquerades is routed as it is, unless its XML asks for more. A policy that says `nat` asks for it. */
function keepsSources6(network: Network, wanted: NetworkPolicy | undefined): boolean {
  const hasIpv6 = network.subnets.some(({ prefix }) => prefix.family === 6);
  return hasIpv6 && wanted?.mode === undefined && !network.nat6;
}

function obstaclesOf(input: AdoptionInput, wanted: NetworkPolicy | undefined): readonly string[] {
  const { inventory, network, kept } = input;
  const { name, forwardDevices } = network;
  if (network.forward !== "nat" && network.forward !== "route") {
    return [`libvirt makes no rules for ${name}, or isolates it: only nat and route are adopted`];
  }
  const isSpecial = (guest: Guest) =>
    guest.nics.some((nic) => nic.network === name && nic.hasPortSettings === true);
  const special = inventory.guests.filter(isSpecial).map((guest) => guest.name);
  const obstacles: (string | false)[] = [
    wanted?.mode === "open" &&
      "the policy says mode: open, so that nobody would judge its guests: take that out first",
    kept !== undefined && startOf(kept) !== startOf(network) && editedSinceStart(name),
    forwardDevices !== undefined &&
      `libvirt lets its guests out by ${forwardDevices.join(", ")} only, and the policy cannot say that`,
    special.length > 0 &&
      `the ports of ${special.join(", ")} are set up by libvirt in a way of its own, so that nobody could put them back: stop them first`,
  ];
  return obstacles.filter((obstacle) => obstacle !== false);
}

export function editedSinceStart(network: string): string {
  return `${network} was edited since it was started, and would start otherwise than it runs: restart it first, or take that back (virsh net-edit)`;
}

/** What its next start would bring, as one text. Of a network that runs libvirt tells ports and devices that its XML need not name. */
function startOf({ natPorts, forwardDevices, at: _at, ...network }: Network): string {
  const ports = natPorts && !isDefault(natPorts) ? natPorts : undefined;
  return JSON.stringify({ ...network, ports, devices: [...new Set(forwardDevices)] });
}
