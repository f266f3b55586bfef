import { familyOf } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import type { Guest } from "./inventory.ts";
import type { GuestPolicy, NicPolicy, Policy } from "./policy.ts";
import type { Place, Problem } from "./problem.ts";
import { placeText } from "./problem-text.ts";

interface Effective {
  readonly policy: Policy;
  /** Keys that both the files and a guest's own XML have, each at its place in that XML. */
  readonly problems: readonly Problem[];
}

interface Remembered extends Effective {
  readonly owns: readonly GuestPolicy[];
}

/** By the policy of the files: as long as no guest's own word changes, the result is the same object. */
const known = new WeakMap<Policy, Remembered>();

/**
 * The policy of the files together with what guests' own XML says of them. Mappings merge, anything else that both have is a
 * problem, and what the files say stays.
 */
export function effectivePolicy(policy: Policy, guests: readonly Guest[]): Effective {
  const owns = guests.flatMap(({ own }) => own ?? []);
  if (owns.length === 0) return { policy, problems: [] };
  const before = known.get(policy);
  if (before?.owns.length === owns.length && owns.every((own, i) => own === before.owns[i])) {
    return before;
  }
  const merged = new Map(policy.guests);
  const problems: Problem[] = [];
  for (const own of owns) {
    const written = policy.guests.get(own.name);
    merged.set(own.name, written === undefined ? own : mergeGuests(written, own, problems));
  }
  const result = { policy: { ...policy, guests: merged }, problems, owns };
  known.set(policy, result);
  return result;
}

/** What is left of a guest's own word without its publications and without what the files say too. */
export function curtailed(own: GuestPolicy, written: GuestPolicy | undefined): GuestPolicy {
  return {
    ...own,
    publish: [],
    keysAt: keysWithout(own, written),
    nics: new Map(
      [...own.nics].map(([mac, nic]) => {
        const left = written === undefined ? nic : yielding(nic, written).nic;
        return [mac, { ...left, keysAt: keysWithout(left, written?.nics.get(mac)) }];
      }),
    ),
  };
}

function keysWithout(own: Keyed, written: Keyed | undefined): ReadonlyMap<string, Place> {
  return new Map([...(own.keysAt ?? [])].filter(([key]) => written?.keysAt?.has(key) !== true));
}

const guestKeys = ["publish", "groups", "filter", "required"] as const;
const nicKeys = ["address", "filter", "parameters"] as const;

function mergeGuests(written: GuestPolicy, own: GuestPolicy, problems: Problem[]): GuestPolicy {
  const what = `guest ${quote(own.name)}`;
  const nics = new Map(written.nics);
  for (const [mac, said] of own.nics) {
    const before = nics.get(mac);
    const of = `nic ${mac} of ${what}`;
    const { nic, clashes } = yielding(said, written);
    problems.push(...clashes.map((clash) => givenTwice({ ...clash, what: of })));
    if (before === undefined) nics.set(mac, nic);
    else nics.set(mac, mergeNics(before, nic, { what: of, problems }));
  }
  problems.push(...conflicts(written, own, { keys: guestKeys, what }));
  const isOwn = (key: string) => own.keysAt?.has(key) === true && !written.keysAt?.has(key);
  const filter = isOwn("filter") ? own.filter : written.filter;
  return {
    name: written.name,
    publish: isOwn("publish") ? own.publish : written.publish,
    groups: isOwn("groups") ? own.groups : written.groups,
    ...(filter !== undefined && { filter }),
    nics,
    required: isOwn("required") ? own.required : written.required,
    at: written.at,
    keysAt: new Map([...(own.keysAt ?? []), ...(written.keysAt ?? [])]),
  };
}

interface Clash {
  readonly key: string;
  readonly first: Place;
  readonly second: Place;
}

/**
 * A nic's own word without what would win over the files', though they say it elsewhere: a filter of the guest, and addresses, which
 * are the values of IP and IPV6.
 */
function yielding(
  own: NicPolicy,
  written: GuestPolicy,
): { readonly nic: NicPolicy; readonly clashes: readonly Clash[] } {
  const clashes = [...filterClash(own, written), ...addressClashes(own, written)];
  if (clashes.length === 0) return { nic: own, clashes };
  const lost = new Set(clashes.map(({ key }) => key));
  const { filter, ...rest } = own;
  const isKept = ([key]: readonly [string, unknown]) => !lost.has(key);
  const nic = {
    ...rest,
    ...(filter !== undefined && !lost.has("filter") && { filter }),
    parameters: new Map([...own.parameters].filter(isKept)),
    keysAt: new Map([...(own.keysAt ?? [])].filter(isKept)),
  };
  return { nic, clashes };
}

/** Where both name one for the nic itself that is seen as any key is. */
function filterClash({ mac, filter }: NicPolicy, written: GuestPolicy): Clash[] {
  const isOfGuest = written.filter !== undefined && !written.nics.get(mac)?.filter;
  if (filter === undefined || !isOfGuest) return [];
  return [{ key: "filter", first: keyOf(written, "filter"), second: filter.at }];
}

function addressClashes(own: NicPolicy, written: GuestPolicy): Clash[] {
  const nic = written.nics.get(own.mac);
  if (nic === undefined || nic.keysAt?.has("parameters")) return [];
  const names = new Set(nic.addresses.map((one) => (familyOf(one) === 4 ? "IP" : "IPV6")));
  return [...names]
    .filter((key) => own.parameters.has(key))
    .map((key) => ({ key, first: keyOf(nic, "address"), second: keyOf(own, "parameters") }));
}

function keyOf(words: Keyed & { readonly at: Place }, key: string): Place {
  return words.keysAt?.get(key) ?? words.at;
}

function mergeNics(
  written: NicPolicy,
  own: NicPolicy,
  { what, problems }: { readonly what: string; readonly problems: Problem[] },
): NicPolicy {
  problems.push(...conflicts(written, own, { keys: nicKeys, what }));
  const isOwn = (key: string) => own.keysAt?.has(key) === true && !written.keysAt?.has(key);
  const filter = isOwn("filter") ? own.filter : written.filter;
  const addressed = isOwn("address") ? own : written;
  return {
    mac: written.mac,
    addresses: addressed.addresses,
    ...(filter !== undefined && { filter }),
    ...parametersOf(isOwn("parameters") ? own : written),
    at: addressed.at,
    ...(addressed.inGuest && { inGuest: true }),
    keysAt: new Map([...(own.keysAt ?? []), ...(written.keysAt ?? [])]),
  };
}

function parametersOf({ parameters, parametersAt }: NicPolicy) {
  return { parameters, ...(parametersAt && { parametersAt }) };
}

interface Keyed {
  readonly keysAt?: ReadonlyMap<string, Place>;
}

function conflicts(
  written: Keyed,
  own: Keyed,
  { keys, what }: { readonly keys: readonly string[]; readonly what: string },
): Problem[] {
  return keys.flatMap((key): Problem[] => {
    const first = written.keysAt?.get(key);
    const second = own.keysAt?.get(key);
    if (first === undefined || second === undefined) return [];
    return [givenTwice({ key, first, second, what })];
  });
}

function givenTwice({ key, first, second, what }: Clash & { readonly what: string }): Problem {
  return {
    code: "DUPLICATE_KEY",
    severity: "error",
    at: second,
    message: `'${key}' of ${what} is given twice: in its own XML and at ${placeText(first)}`,
    hint: "remove one of them",
  };
}
