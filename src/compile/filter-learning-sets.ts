import { type Address, familyOf, type Family, toBits } from "../base/address.ts";
import type { LearningMode } from "../model/filter-learning.ts";
import type { Element, Expression, SetDefinition } from "../nft/ast.ts";
import { concat, iifname, oifname, raw, value } from "../nft/build.ts";
import { addressType } from "./define-set.ts";
import { iif, learnedSet, lockedLinkSet, lockedSet4, source4 } from "./filter-learning.ts";
import { families } from "./matches.ts";

/** Addresses of IPv6 beside the link-local one that a nic may be new with in a day. */
export const slots6 = [1, 2, 3, 4, 5, 6].map((slot) => `locked6_${slot}`);

/** Far more than there are taps in a host's life; the memory is taken only as they are used. */
export const dynamicSize = 1_048_576;

/** What sets of learning hold that is known and not learned. */
export interface LearningElements {
  /** Nics whose addresses are learned, by tap and MAC address. */
  readonly macs: readonly Element[];
  /** Those of them that learn from any DHCP server that is no guest. */
  readonly learners: readonly Element[];
  /** What libvirt's DHCP server has given to some. */
  readonly leased: readonly Element[];
  /** By family. */
  readonly vouched: Readonly<Record<Family, readonly Element[]>>;
  readonly own: Readonly<Record<Family, readonly Element[]>>;
}

const still = { flags: [], counter: false } as const;
const dynamic = { size: dynamicSize, flags: ["dynamic"], counter: false, elements: [] } as const;
const passing = { ...dynamic, flags: ["dynamic", "timeout"] } as const;

/** For the modes that there are. */
export function learningSets(
  modes: readonly LearningMode[],
  { macs, learners, leased, vouched, own }: LearningElements,
): SetDefinition[] {
  return [
    ...modes.flatMap(learnedSets),
    ...(modes.includes("any")
      ? families.flatMap((family) => vouchedSets(family, vouched, own))
      : []),
    ...(modes.includes("dhcp")
      ? [{ name: "leased4", ...still, elements: leased, ...tapAndBits(iifname, source4) }]
      : []),
    { name: "dhcp_learners", ...still, elements: learners, type: ["ifname"], data: ["verdict"] },
    { name: "learning_macs", ...still, elements: macs, ...tapAndBits(oifname, raw("th", 288, 48)) },
  ];
}

function learnedSets(mode: LearningMode): SetDefinition[] {
  const kept = mode === "any" ? dynamic : passing;
  const locks = [lockedLinkSet(mode), ...(mode === "any" ? slots6 : [])];
  return [
    {
      name: learnedSet(4, mode),
      ...kept,
      type: ["iface_index", "integer"],
      keyLike: concat(iif, source4),
    },
    { name: lockedSet4(mode), ...kept, type: ["iface_index"] },
    { name: learnedSet(6, mode), ...passing, type: ["iface_index", "ipv6_addr"] },
    ...locks.map((name) => ({ name, ...passing, type: ["iface_index"] })),
  ];
}

function vouchedSets(
  family: Family,
  vouched: LearningElements["vouched"],
  own: LearningElements["own"],
): SetDefinition[] {
  const field = family === 4 ? "integer" : addressType(6);
  const name = `vouched${family}`;
  return [
    {
      name,
      ...still,
      elements: vouched[family],
      type: [field],
      ...(family === 4 && { keyLike: source4 }),
    },
    {
      name: `${name}_own`,
      ...still,
      elements: own[family],
      type: ["ifname", field],
      ...(family === 4 && { keyLike: concat(iifname, source4) }),
    },
  ];
}

const tapAndBits = (port: Expression, field: Expression) => ({
  type: ["ifname", "integer"],
  keyLike: concat(port, field),
});

/** As sets of learning have it: of IPv4 the bits. */
export function addressKey(address: Address): Expression {
  return familyOf(address) === 4 ? value(Number(toBits(address))) : value(address);
}

/** A nic, and an address of it. */
export function tapAddress(tap: string, address: Address): Element {
  return { key: concat(value(tap), addressKey(address)) };
}
