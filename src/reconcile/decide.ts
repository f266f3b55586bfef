import { check } from "../check/check.ts";
import { compile, type Compiled } from "../compile/compile.ts";
import { curtailed } from "../model/effective-policy.ts";
import type { Guest, Inventory, Lease, Network, Nic } from "../model/inventory.ts";
import { networkOf } from "../model/inventory-index.ts";
import type { Policy } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";

/** What is written now, as it was understood. */
export interface Written {
  readonly policy: Policy;
  readonly policyProblems: readonly Problem[];
  readonly inventory: Inventory;
  readonly inventoryProblems: readonly Problem[];
  /** Names of libvirt's texts: problems there are a guest's or a network's, all others the operator's. */
  readonly inventoryFiles: ReadonlySet<string>;
}

/** What the kernel is to hold. */
export interface Desired {
  readonly policy: Policy;
  readonly inventory: Inventory;
  readonly compiled: Compiled;
}

export interface Decision {
  /** Everything wrong with what is written now, whether in force or not. */
  readonly problems: readonly Problem[];
  readonly inForce: "current" | "last-good" | "none";
  /** Absent with `none`: the kernel is left as it is. */
  readonly desired?: Desired;
  /** Guests that keep what was known of them, since what is written now has errors. */
  readonly keptGuests: readonly string[];
  /** The filters are those that were in force last, since those of now have errors, or a nic could not be bound to them. */
  readonly keepsFilters: boolean;
  /** What is in force is in force without filters that have errors: the nics that need one pass nothing. */
  readonly lacksFilters: boolean;
}

/**
 * A policy with errors leaves the last good one in force. Filters change all together, or with errors not at all; where none were
 * before, one with errors counts as missing, and only the nics that need it pass nothing. A guest or network
 * with errors keeps its last good description, or has none and passes nothing; either way it stops nobody else's update.
 */
export function decide(
  told: Written,
  last: Pick<Desired, "policy" | "inventory"> | undefined,
): Decision {
  const { written, problems } = settleFilters(told, last?.inventory);
  const decision = decideOn(written, last);
  const fresh = problems.filter((problem) => !isAmong(problem, decision.problems));
  const filters = decision.desired?.inventory.filters;
  const keepsFilters = filters !== undefined && !hasSame(told.inventory.filters, filters);
  const all = [...decision.problems, ...fresh];
  const isFiltersOwn = (problem: Problem) =>
    isError(problem) && !told.inventoryFiles.has(problem.at.file) && filterCodes.has(problem.code);
  const lacksFilters =
    decision.inForce === "current" &&
    !keepsFilters &&
    (filterErrors(told).length > 0 || all.some(isFiltersOwn));
  return { ...decision, problems: all, keepsFilters, lacksFilters };
}

/** With the filters of before where those of now have errors, or bring errors that were not there with them: what they are. */
function settleFilters(
  written: Written,
  last: Inventory | undefined,
): { readonly written: Written; readonly problems: readonly Problem[] } {
  const former = last?.filters;
  if (former === undefined) return { written, problems: [] };
  const kept = { ...written, inventory: withFiltersOf(written.inventory, last) };
  if (hasSame(written.inventory.filters, former) || filterErrors(written).length > 0) {
    return { written: kept, problems: [] };
  }
  const errors = (candidate: Written) =>
    check(candidate.policy, mend(candidate, last).inventory).filter(isError);
  const before = errors(kept);
  const problems = errors(written).filter((problem) => !isAmong(problem, before));
  return { written: problems.length > 0 ? kept : written, problems };
}

/** A definition that is not in force with these is there all the same, and has errors. */
function withFiltersOf(inventory: Inventory, last: Inventory | undefined): Inventory {
  if (last?.filters === undefined) return inventory;
  const held = [...(inventory.filters ?? [])].map(([name, { at }]) => [name, at] as const);
  const broken = [...(last.brokenFilters ?? []), ...held, ...(inventory.brokenFilters ?? [])];
  const brokenFilters = new Map(broken.filter(([name]) => !last.filters?.has(name)));
  const isSame = hasSame(brokenFilters, last.brokenFilters ?? brokenFilters);
  return {
    ...inventory,
    filters: last.filters,
    // What is found of a nic's filter is remembered by both.
    brokenFilters: isSame ? (last.brokenFilters ?? brokenFilters) : brokenFilters,
  };
}

function hasSame<Value>(
  some: ReadonlyMap<string, Value> | undefined,
  others: ReadonlyMap<string, Value>,
): boolean {
  if (some?.size !== others.size) return false;
  return [...some].every(([name, value]) => others.get(name) === value);
}

/** In filters that the operator has defined: what libvirt keeps is libvirt's matter. */
function filterErrors({ inventoryProblems, inventoryFiles }: Written): Problem[] {
  return inventoryProblems.filter(
    (problem) => isError(problem) && !inventoryFiles.has(problem.at.file),
  );
}

function decideOn(
  written: Written,
  last: Pick<Desired, "policy" | "inventory"> | undefined,
): Omit<Decision, "keepsFilters" | "lacksFilters"> {
  const mended = mend(written, last?.inventory);
  const present = examine(written.policy, mended, { written, last: last?.inventory });
  const policyErrors = [...written.policyProblems, ...present.problems].filter(
    (problem) => isError(problem) && !written.inventoryFiles.has(problem.at.file),
  );
  const isRefused = policyErrors.length > closedNics(policyErrors, mended.inventory, last).length;
  const problems = allProblems(written, present);
  if (!isRefused) {
    return outcome("current", { policy: written.policy, ...present, problems });
  }
  if (last === undefined) return { problems, inForce: "none", keptGuests: [] };
  const unchanged = { ...mended, inventory: withFiltersOf(mended.inventory, last.inventory) };
  const former = examine(last.policy, unchanged, { written, last: last.inventory });
  return outcome("last-good", { policy: last.policy, ...former, problems });
}

/** The problems of a decision where nothing was in force before; nothing is compiled for it. */
export function problemsOf(written: Written): readonly Problem[] {
  const last = undefined;
  return allProblems(written, examine(written.policy, mend(written, last), { written, last }));
}

function allProblems(written: Written, { problems }: Examined): readonly Problem[] {
  return [
    ...written.policyProblems,
    ...written.inventoryProblems,
    ...problems.filter((problem) => !isRepeated(problem, written)),
  ];
}

/** What filters of which some nic's cannot be enforced make wrong: that nic alone passes nothing. */
const filterCodes: ReadonlySet<string> = new Set([
  "UNKNOWN_FILTER",
  "FILTER_CYCLE",
  "FILTER_TOO_LONG",
  "FILTER_NOT_ENFORCEABLE",
  "FILTER_OFF_BRIDGE",
  "MISSING_VARIABLE",
  "BAD_VARIABLE",
]);

/**
 * Errors that close a nic and keep nothing else from being applied: where nothing was in force before, or the nic was closed for
 * the same reason then. A nic that was open keeps the policy under which it was.
 */
function closedNics(
  errors: readonly Problem[],
  inventory: Inventory,
  last: Pick<Desired, "policy" | "inventory"> | undefined,
): readonly Problem[] {
  const ofFilters = errors.filter(({ code }) => filterCodes.has(code));
  if (last === undefined || ofFilters.length === 0) return ofFilters;
  const before = check(last.policy, withFiltersOf(inventory, last.inventory));
  return ofFilters.filter(({ code, message }) =>
    before.some((problem) => problem.code === code && problem.message === message),
  );
}

interface Examined {
  readonly inventory: Inventory;
  readonly keptGuests: readonly string[];
  readonly problems: readonly Problem[];
}

function outcome(
  inForce: "current" | "last-good",
  found: Examined & { readonly policy: Policy },
): Omit<Decision, "keepsFilters" | "lacksFilters"> {
  const { policy, inventory, problems, keptGuests } = found;
  return {
    problems,
    inForce,
    keptGuests,
    desired: { policy, inventory, compiled: compile(policy, inventory) },
  };
}

/** The inventory with the last good description in place of each guest and network that could not be understood. */
function mend(written: Written, last: Inventory | undefined): Examined {
  const broken = filesWithErrors(written.inventoryProblems);
  const unread = unreadLeases(written, last);
  const { inventory } = written;
  const leases = unread.length === 0 ? inventory.leases : [...inventory.leases, ...unread];
  const mended = replaceBroken({ ...inventory, leases }, broken, last);
  return { ...mended, inventory: withoutRivals(mended) };
}

/** A kept guest has what it had: who comes with its tap, or with its MAC address on its bridge, goes without that nic. */
function withoutRivals({ inventory, keptGuests }: Examined): Inventory {
  if (keptGuests.length === 0) return inventory;
  const keysOf = (nic: Nic) => {
    const bridge = nic.bridge ?? networkOf(nic, inventory)?.bridge;
    return [nic.tap ?? [], bridge === undefined ? [] : `${bridge} ${nic.mac}`].flat();
  };
  const kept = new Set(keptGuests);
  const nicsOfKept = inventory.guests.filter(({ name }) => kept.has(name)).flatMap((g) => g.nics);
  const taken = new Set(nicsOfKept.flatMap(keysOf));
  const guests = inventory.guests.map((guest) => {
    if (kept.has(guest.name)) return guest;
    const nics = guest.nics.filter((nic) => !keysOf(nic).some((key) => taken.has(key)));
    return nics.length === guest.nics.length ? guest : { ...guest, nics };
  });
  return { ...inventory, guests };
}

/** A file of leases that makes no sense as a whole is not an empty one: what it said last stays. */
function unreadLeases({ inventoryProblems }: Written, last: Inventory | undefined): Lease[] {
  const broken = inventoryProblems
    .filter(({ code }) => code === "BAD_LEASE_FILE")
    .map(({ at }) => at.file);
  const isUnread = ({ bridge }: Lease) => broken.some((file) => file.endsWith(`/${bridge}.status`));
  return broken.length === 0 ? [] : (last?.leases.filter(isUnread) ?? []);
}

/** Checks policy against inventory, and sets guests aside whose description contradicts others' until no error is left in it. */
function examine(
  policy: Policy,
  mended: Examined,
  { written, last }: { readonly written: Written; readonly last: Inventory | undefined },
): Examined {
  const problems = check(policy, mended.inventory);
  const broken = inventoryErrors(problems, written);
  if (broken.size === 0) return { ...mended, problems };
  const replaced = replaceBroken(mended.inventory, broken, last);
  const contrary = inventoryErrors(check(policy, replaced.inventory), written);
  const curtailed = curtailBroken(replaced.inventory, contrary, policy);
  const still = inventoryErrors(check(policy, curtailed), written);
  const removed = replaceBroken(curtailed, still, undefined);
  const kept = new Set([...mended.keptGuests, ...replaced.keptGuests]);
  const present = new Set(removed.inventory.guests.map((guest) => guest.name));
  return {
    inventory: removed.inventory,
    keptGuests: [...kept].filter((name) => present.has(name)),
    problems,
  };
}

function replaceBroken(
  inventory: Inventory,
  broken: ReadonlySet<string>,
  last: Inventory | undefined,
): Examined {
  if (broken.size === 0) return { inventory, keptGuests: [], problems: [] };
  const keptGuests = last?.guests.filter((guest) => broken.has(guest.at.file)) ?? [];
  const keptNetworks = last?.networks.filter((network) => broken.has(network.at.file)) ?? [];
  const isWhole = (thing: Guest | Network) => !broken.has(thing.at.file);
  return {
    inventory: {
      ...inventory,
      guests: [...inventory.guests.filter(isWhole), ...keptGuests],
      networks: [...inventory.networks.filter(isWhole), ...keptNetworks],
    },
    keptGuests: keptGuests.map((guest) => guest.name),
    problems: [],
  };
}

/** A guest whose own word contradicts the policy even as it was before opens nothing by it, and the policy's word stands. */
function curtailBroken(
  inventory: Inventory,
  broken: ReadonlySet<string>,
  policy: Policy,
): Inventory {
  if (broken.size === 0) return inventory;
  const guests = inventory.guests.map((guest) =>
    guest.own === undefined || !broken.has(guest.at.file)
      ? guest
      : { ...guest, own: curtailed(guest.own, policy.guests.get(guest.name)) },
  );
  return { ...inventory, guests };
}

function inventoryErrors(problems: readonly Problem[], written: Written): Set<string> {
  return filesWithErrors(problems.filter((problem) => written.inventoryFiles.has(problem.at.file)));
}

function filesWithErrors(problems: readonly Problem[]): Set<string> {
  return new Set(problems.filter(isError).map((problem) => problem.at.file));
}

function isError(problem: Problem): boolean {
  return problem.severity === "error";
}

/** Check may find again what the parser has told. */
function isRepeated(problem: Problem, written: Written): boolean {
  return isAmong(problem, [...written.policyProblems, ...written.inventoryProblems]);
}

function isAmong(problem: Problem, problems: readonly Problem[]): boolean {
  return problems.some(
    (told) =>
      told.code === problem.code &&
      told.at.file === problem.at.file &&
      told.at.line === problem.at.line &&
      told.at.column === problem.at.column,
  );
}
