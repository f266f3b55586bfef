import { familyOf, prefixContains, type Address } from "../base/address.ts";
import type { AddressSource } from "./intent.ts";
import type { Guest, Inventory, Network, Nic } from "./inventory.ts";
import { networkOf } from "./inventory-index.ts";
import type { Policy } from "./policy.ts";
import { vouchedAddresses } from "./vouched-addresses.ts";

/** Addresses of one nic that nobody but its guest vouches for. */
export interface LearnedAddresses {
  readonly agent: readonly Address[];
  readonly neighbour: readonly Address[];
}

/** An address that a guest claims and does not get. */
export interface RefusedClaim {
  readonly guest: Guest;
  readonly nic: Nic;
  readonly address: Address;
  /** Whose it is, or who claims it too; absent: it is the host's. */
  readonly rival?: { readonly guest: Guest; readonly nic: Nic };
}

interface Learned {
  readonly byNic: ReadonlyMap<Nic, LearnedAddresses>;
  readonly refused: readonly RefusedClaim[];
}

interface Owner {
  readonly guest: Guest;
  readonly nic: Nic;
}

interface Claim extends Owner {
  readonly source: AddressSource & keyof LearnedAddresses;
  readonly address: Address;
}

const nothing: Learned = { byNic: new Map(), refused: [] };
const known = new WeakMap<Inventory, { readonly policy: Policy; readonly learned: Learned }>();

/**
 * What agents say and the neighbour table shows, as far as it may be believed. A guest can say and show anything: an address counts
 * only inside the nic's own network, where it is neither the host's nor known of another nic, and where no other nic claims it too.
 */
export function learnedAddresses(policy: Policy, inventory: Inventory): Learned {
  const { agentAddresses = [], neighbours = [] } = inventory;
  if (agentAddresses.length === 0 && neighbours.length === 0) return nothing;
  const before = known.get(inventory);
  if (before?.policy === policy) return before.learned;
  const learned = judge(policy, inventory);
  known.set(inventory, { policy, learned });
  return learned;
}

function judge(policy: Policy, inventory: Inventory): Learned {
  const hosts = new Set(inventory.host.interfaces.flatMap(({ addresses }) => addresses));
  const claims = claimsOf(inventory);
  const vouched = vouchedFor(policy, inventory);
  const claimants = new Map<Address, Claim[]>();
  for (const claim of claims) {
    const same = claimants.get(claim.address);
    if (same === undefined) claimants.set(claim.address, [claim]);
    else same.push(claim);
  }
  const byNic = new Map<Nic, { agent: Address[]; neighbour: Address[] }>();
  const refused: RefusedClaim[] = [];
  for (const { guest, nic, source, address } of claims) {
    const rival = rivalOf(nic, vouched.get(address), claimants.get(address));
    if (hosts.has(address) || isGateway(address, networkOf(nic, inventory))) {
      refused.push({ guest, nic, address });
    } else if (rival !== undefined) {
      refused.push({ guest, nic, address, rival: { guest: rival.guest, nic: rival.nic } });
    } else {
      const lists = byNic.get(nic) ?? { agent: [], neighbour: [] };
      byNic.set(nic, lists);
      lists[source].push(address);
    }
  }
  return { byNic, refused };
}

/** In the order of the guests and of the facts, inside of each nic's own network. */
function claimsOf(inventory: Inventory): Claim[] {
  const said = new Map<string, Address[]>();
  const add = (key: string, address: Address) => {
    const list = said.get(key);
    if (list === undefined) said.set(key, [address]);
    else list.push(address);
  };
  for (const { uuid, mac, address } of inventory.agentAddresses ?? []) {
    add(`agent ${uuid} ${mac}`, address);
  }
  for (const { bridge, mac, address } of inventory.neighbours ?? []) {
    add(`neighbour ${bridge} ${mac}`, address);
  }
  return inventory.guests.flatMap((guest) =>
    guest.nics.flatMap((nic): Claim[] => {
      const network = networkOf(nic, inventory);
      const claims = (source: Claim["source"], place: string): Claim[] =>
        (said.get(`${source} ${place} ${nic.mac}`) ?? [])
          .filter((address) => isInside(address, network))
          .map((address) => ({ guest, nic, source, address }));
      const bridge = nic.bridge ?? network?.bridge;
      const shown = bridge === undefined ? [] : claims("neighbour", bridge);
      return [...(guest.uuid === "" ? [] : claims("agent", guest.uuid)), ...shown];
    }),
  );
}

function isInside(address: Address, network: Network | undefined): boolean {
  const subnets = network?.subnets.filter(({ prefix }) => prefix.family === familyOf(address));
  return (
    !isLinkLocal(address) &&
    (subnets?.some(({ prefix }) => prefixContains(prefix, address)) ?? false)
  );
}

function isLinkLocal(address: Address): boolean {
  return /^fe[89ab]/.test(address) || address.startsWith("169.254.");
}

function isGateway(address: Address, network: Network | undefined): boolean {
  return network?.subnets.some(({ gateway }) => gateway === address) ?? false;
}

/** Whose each address is by policy, reservation or lease. */
function vouchedFor(policy: Policy, inventory: Inventory): Map<Address, Owner> {
  const owners = new Map<Address, Owner>();
  for (const guest of inventory.guests) {
    for (const nic of guest.nics) {
      const vouched = vouchedAddresses(guest, nic, { policy, inventory });
      for (const address of Object.values(vouched).flat()) owners.set(address, { guest, nic });
    }
  }
  return owners;
}

function rivalOf(
  nic: Nic,
  owner: Owner | undefined,
  claimants: readonly Owner[] = [],
): Owner | undefined {
  if (owner !== undefined) return owner.nic === nic ? undefined : owner;
  return claimants.find((claimant) => claimant.nic !== nic);
}
