import { bootOrder } from "./boot-order.ts";
import { bridgeNetfilter } from "./bridge-netfilter.ts";
import { classicHooks } from "./classic-hooks.ts";
import { clock } from "./clock.ts";
import { conntrackTable } from "./conntrack-table.ts";
import { dhcpChecksum } from "./dhcp-checksum.ts";
import { duplicateAddresses } from "./duplicate-addresses.ts";
import type { Examination } from "./examination.ts";
import { foreignForwards } from "./foreign-forwards.ts";
import { forwarding } from "./forwarding.ts";
import { hostFirewall } from "./host-firewall.ts";
import { iptablesVariants } from "./iptables-variants.ts";
import { kernelFeaturesThere } from "./kernel-features.ts";
import { libvirtFaults } from "./libvirt-faults.ts";
import { libvirtHooks } from "./libvirt-hooks.ts";
import { libvirtLeftovers } from "./libvirt-leftovers.ts";
import { libvirtRules } from "./libvirt-rules.ts";
import { macvtap } from "./macvtap.ts";
import { markInUse } from "./mark-in-use.ts";
import { networkBridges } from "./network-bridges.ts";
import { overlappingPrefixes } from "./overlapping-prefixes.ts";
import { publishedPorts } from "./published-ports.ts";
import { reservedPorts } from "./reserved-ports.ts";
import { reversePathFilter } from "./reverse-path-filter.ts";
import { routerAdvertisements } from "./router-advertisements.ts";
import { rulesInForce } from "./rules-in-force.ts";
import { savedRuleset } from "./saved-ruleset.ts";
import { tableOwner } from "./table-owner.ts";
import { taps } from "./taps.ts";
import { twoFirewalls } from "./two-firewalls.ts";

/** What is most often the cause first. What is mended first is what later steps count on. */
export const examinations: readonly Examination[] = [
  rulesInForce,
  tableOwner,
  routerAdvertisements,
  forwarding,
  hostFirewall,
  taps,
  networkBridges,
  bridgeNetfilter,
  reversePathFilter,
  publishedPorts,
  foreignForwards,
  reservedPorts,
  duplicateAddresses,
  overlappingPrefixes,
  macvtap,
  dhcpChecksum,
  kernelFeaturesThere,
  conntrackTable,
  markInUse,
  savedRuleset,
  twoFirewalls,
  iptablesVariants,
  libvirtRules,
  libvirtLeftovers,
  libvirtFaults,
  libvirtHooks,
  classicHooks,
  bootOrder,
  clock,
];
