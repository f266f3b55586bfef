import { type Address, type Family, familyOf, parseAddress } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Mac } from "../base/mac.ts";
import { learningMode, type LearningMode } from "../model/filter-learning.ts";
import type { FilterParameters } from "../model/filter.ts";
import type { Intent, NicAddress } from "../model/intent.ts";
import type { Chain, SetDefinition } from "../nft/ast.ts";
import { concat, goto, value } from "../nft/build.ts";
import { learningChains } from "./filter-learning-chains.ts";
import { addressKey, learningSets, tapAddress } from "./filter-learning-sets.ts";
import type { FilterShape } from "./filter-shape.ts";
import { gathered } from "./gathered.ts";
import { keyed } from "./matches.ts";

/** The same object as long as nothing of it changes. */
export interface LearningNic {
  readonly tap: InterfaceName;
  readonly mac: Mac;
  readonly parameters: FilterParameters;
  /** Given to it by libvirt's DHCP server, where DHCP alone gives addresses. */
  readonly leased: readonly Address[];
  /** Addresses for which somebody else than the guest vouches. */
  readonly vouched: readonly Address[];
  /** Absent where the binding cannot be enforced. */
  readonly shape: Pick<FilterShape, "learning"> | undefined;
}

/**
 * There is nothing where every binding says its nic's addresses. What was learned stays as long as some binding may ask for it, so that
 * a filter with a mistake in it for a moment costs nobody his addresses.
 */
export function lowerLearning(
  intent: Intent,
  nics: readonly LearningNic[],
): { readonly sets: readonly SetDefinition[]; readonly chains: readonly Chain[] } {
  const wanted = new Set(nics.map(wantedMode));
  const modes = allModes.filter((mode) => wanted.has(mode));
  if (modes.length === 0) return { sets: [], chains: [] };
  const vouched = modes.includes("any") ? vouchedAddresses(intent) : [];
  const ofFamily = (family: Family) => vouched.filter((address) => familyOf(address) === family);
  const elements = {
    macs: macElements(nics),
    learners: learnerElements(nics),
    leased: leasedElements(nics),
    vouched: { 4: vouchedElements4(ofFamily(4)), 6: vouchedElements6(ofFamily(6)) },
    own: { 4: ownElements4(nics), 6: ownElements6(nics) },
  };
  return { sets: learningSets(modes, elements), chains: learningChains(modes) };
}

const allModes: readonly LearningMode[] = ["any", "dhcp"];

function wantedMode({ shape, parameters }: LearningNic): LearningMode | undefined {
  if (shape !== undefined) return shape.learning?.mode;
  const hasAll = parameters.has("IP") && parameters.has("IPV6");
  return hasAll ? undefined : learningMode(parameters);
}

const macElements = gathered(({ tap, mac, shape }: LearningNic) => {
  if (shape?.learning === undefined) return [];
  return [keyed({ key: concat(value(tap), value(Number(`0x${mac.replaceAll(":", "")}`))) })];
});

const learnerElements = gathered(({ tap, shape }: LearningNic) => {
  const { has4 = false, hasServers = false, mode } = shape?.learning ?? {};
  if (!has4 || hasServers) return [];
  const chain = mode === "any" ? "learn_reply" : "learn_lease";
  return [keyed({ key: value(tap), data: goto(chain) })];
});

const leasedElements = gathered(({ tap, leased, shape }: LearningNic) =>
  shape?.learning === undefined ? [] : leased.map((address) => keyed(tapAddress(tap, address))),
);

const ownAddresses = (family: Family) =>
  gathered(({ tap, vouched, shape }: LearningNic) =>
    shape?.learning?.mode === "any"
      ? vouched
          .filter((address) => familyOf(address) === family)
          .map((address) => keyed(tapAddress(tap, address)))
      : [],
  );
const [ownElements4, ownElements6] = [ownAddresses(4), ownAddresses(6)];

const addressElements = () => gathered((address: Address) => [keyed({ key: addressKey(address) })]);
const [vouchedElements4, vouchedElements6] = [addressElements(), addressElements()];

/** Each once: the host's, and those of nics by more than their guests' word. */
function vouchedAddresses({ hostAddresses, nics }: Intent): Address[] {
  const ofNics = nics.flatMap(({ addresses, filter }) => [
    ...vouchedOf(addresses),
    ...["IP", "IPV6"].flatMap((name) => filter?.parameters.get(name) ?? []).flatMap(parsed),
  ]);
  return [...new Set([...hostAddresses, ...ofNics])];
}

const parsed = (text: string): Address[] => {
  const address = parseAddress(text);
  return address === undefined ? [] : [address];
};

/** What agents say and neighbour tables show is the guest's own word. */
export function vouchedOf(addresses: readonly NicAddress[]): Address[] {
  return addresses.flatMap(({ address, source }) =>
    source === "agent" || source === "neighbour" ? [] : [address],
  );
}
