import { addressesOnHost } from "./addresses-on-host.ts";
import { distinctAddresses } from "./distinct-addresses.ts";
import { distinctPublications } from "./distinct-publications.ts";
import { enforceableRules } from "./enforceable-rules.ts";
import { failsafeInput } from "./failsafe-input.ts";
import { failsafePublications } from "./failsafe-publications.ts";
import { filteredTwice } from "./filtered-twice.ts";
import { firewallVmInPlace } from "./firewall-vm-in-place.ts";
import { firewallVmPolicy } from "./firewall-vm-policy.ts";
import { filtersOnBridges } from "./filters-on-bridges.ts";
import { groupsOffBridges } from "./groups-off-bridges.ts";
import { groupsOnBridges } from "./groups-on-bridges.ts";
import { knownAliases } from "./known-aliases.ts";
import { knownGroups } from "./known-groups.ts";
import { knownGuests } from "./known-guests.ts";
import { knownHostInterfaces } from "./known-host-interfaces.ts";
import { knownNetworks } from "./known-networks.ts";
import { knownNics } from "./known-nics.ts";
import { knownUplinks } from "./known-uplinks.ts";
import { nicAddressesInSubnet } from "./nic-addresses-in-subnet.ts";
import { ofEachGuest } from "./of-each-guest.ts";
import { oneMarkBit } from "./one-mark-bit.ts";
import { openPublications } from "./open-publications.ts";
import { ownAddresses } from "./own-addresses.ts";
import { publishableGuests } from "./publishable-guests.ts";
import { replacedStock } from "./replaced-stock.ts";
import { sensibleLimits } from "./sensible-limits.ts";
import { sensibleMode } from "./sensible-mode.ts";
import { sensibleNat } from "./sensible-nat.ts";
import { sensibleReach } from "./sensible-reach.ts";
import { soundBindings } from "./sound-bindings.ts";
import { soundReferences } from "./sound-references.ts";
import { usedParameters } from "./used-parameters.ts";
import type { Law, PolicyLaw } from "./law.ts";

/** What a policy must keep whatever runs. */
export const policyLaws: readonly PolicyLaw[] = [
  oneMarkBit,
  knownAliases,
  knownGroups,
  distinctAddresses,
  distinctPublications,
  openPublications,
  failsafePublications,
  sensibleLimits,
  firewallVmPolicy,
];

/** What a policy must keep beside what is there. */
export const laws: readonly Law[] = [
  knownUplinks,
  knownHostInterfaces,
  failsafeInput,
  knownNetworks,
  knownGuests,
  ofEachGuest(
    knownNics,
    nicAddressesInSubnet,
    publishableGuests,
    soundBindings,
    filtersOnBridges,
    groupsOffBridges,
    filteredTwice,
  ),
  addressesOnHost,
  ownAddresses,
  sensibleMode,
  sensibleNat,
  sensibleReach,
  groupsOnBridges,
  soundReferences,
  enforceableRules,
  replacedStock,
  usedParameters,
  firewallVmInPlace,
];
