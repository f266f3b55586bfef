import { rememberedWhile } from "../base/remembered.ts";
import type { Chain, Element, Expression, SetDefinition, Table } from "./ast.ts";
import { elementIdentity } from "./element-order.ts";
import { compareText, fingerprint } from "./fingerprint.ts";
import { normalise } from "./normalise.ts";
import { printSetElement } from "./print.ts";
import { referencesOf } from "./references.ts";
import { UnprintableText } from "./text.ts";

/** What turns one version of a table into another. Everything is in order of name, elements in order of value. */
export interface TableChange {
  readonly wake: boolean;
  readonly sets: readonly SetChange[];
  readonly chains: readonly ChainChange[];
}

export type SetChange =
  | { readonly kind: "add" | "delete"; readonly set: SetDefinition }
  /** Another declaration: the kernel can only make it anew. */
  | { readonly kind: "replace"; readonly before: SetDefinition; readonly set: SetDefinition }
  /** The same declaration, all elements taken out and put in again. */
  | { readonly kind: "refill"; readonly set: SetDefinition }
  /** A changed element is among both. */
  | {
      readonly kind: "elements";
      readonly set: SetDefinition;
      readonly deleted: readonly Element[];
      readonly added: readonly Element[];
    };

export type ChainChange =
  | { readonly kind: "add" | "delete"; readonly chain: Chain }
  /** Another type, hook or priority: the kernel can only make it anew. */
  | { readonly kind: "replace"; readonly chain: Chain }
  | { readonly kind: "policy"; readonly chain: Chain; readonly refill: boolean }
  | { readonly kind: "refill"; readonly chain: Chain };

/**
 * Undefined if the tables are the same but for the order of their sets and chains. The last answer about a table is remembered, since
 * it is asked for as a script and as words.
 */
export const changeOf = rememberedWhile((_actual: Table, desired: Table) => [desired], compare);

function compare(actual: Table, desired: Table): TableChange | undefined {
  const [before, after] = [normalise(actual), normalise(desired)];
  const sets = pair(before.sets, after.sets).flatMap(setChange);
  const remade = new Set(
    sets.flatMap((change) => (change.kind === "replace" ? [change.set.name] : [])),
  );
  const chains = pair(before.chains, after.chains).flatMap((both) => chainChange(both, remade));
  const wake = before.dormant === true && after.dormant !== true;
  return wake || sets.length > 0 || chains.length > 0 ? { wake, sets, chains } : undefined;
}

interface Pair<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** Everything named on either side, in order of name. */
function pair<T extends { readonly name: string }>(
  before: readonly T[],
  after: readonly T[],
): Pair<T>[] {
  const old = new Map(before.map((item) => [item.name, item]));
  const next = new Map(after.map((item) => [item.name, item]));
  const names = [...new Set([...old.keys(), ...next.keys()])].sort(compareText);
  return names.map((name) => ({ before: old.get(name), after: next.get(name) }));
}

function setChange({ before, after }: Pair<SetDefinition>): SetChange[] {
  if (before === undefined) return after === undefined ? [] : [{ kind: "add", set: after }];
  if (after === undefined) return [{ kind: "delete", set: before }];
  if (declarationKey(before) !== declarationKey(after) || hasOtherLengths(before, after)) {
    return [{ kind: "replace", before, set: after }];
  }
  // The kernel's packet path fills these, so their elements are no drift.
  if (after.flags.includes("dynamic") || after.flags.includes("timeout")) return [];
  const deleted = without(before.elements, after.elements);
  const added = without(after.elements, before.elements);
  if (deleted.length === 0 && added.length === 0) return [];
  if (!canChange(before, deleted)) return [{ kind: "refill", set: after }];
  return [{ kind: "elements", set: after, deleted, added }];
}

/** nft 1.0.6 does not list the flag `dynamic` in JSON, so it cannot count. */
function declarationKey(set: SetDefinition): string {
  const { type, data, size, flags, counter, unknown } = set;
  return fingerprint({
    type,
    size,
    data,
    flags: flags.filter((flag) => flag !== "dynamic"),
    counter,
    unknown,
  });
}

/** Integers of a key have lengths that nft does not list: they are known only of tables that were made here. */
function hasOtherLengths(before: SetDefinition, after: SetDefinition): boolean {
  if (before.keyLike === undefined || after.keyLike === undefined) return false;
  return fingerprint(lengthsIn(before.keyLike)) !== fingerprint(lengthsIn(after.keyLike));
}

function lengthsIn(key: Expression): number[] {
  const parts = key.kind === "concat" ? key.parts : [key];
  return parts.map((part) => (part.kind === "raw" ? part.length : 0));
}

function without(elements: readonly Element[], others: readonly Element[]): Element[] {
  if (others.length === 0) return [...elements];
  const known = new Set(others.map(elementIdentity));
  return elements.filter((element) => !known.has(elementIdentity(element)));
}

/**
 * nft 1.0.6 mistakes the elements it finds in an interval set of interface names: it refuses to delete them ("element does not
 * exist") and to add others ("interval overlaps with an existing one").
 */
function canChange(set: SetDefinition, deleted: readonly Element[]): boolean {
  const isNameInterval = set.type.join() === "ifname" && set.flags.includes("interval");
  return !isNameInterval && deleted.every((element) => isPrintable(set, element));
}

/** False for what another hand put there in an alphabet or a form that we cannot name. */
function isPrintable(set: SetDefinition, element: Element): boolean {
  try {
    printSetElement(set, element);
    return true;
  } catch (error) {
    if (error instanceof UnprintableText) return false;
    throw error;
  }
}

function chainChange(
  { before, after }: Pair<Chain>,
  remadeSets: ReadonlySet<string>,
): ChainChange[] {
  if (before === undefined) return after === undefined ? [] : [{ kind: "add", chain: after }];
  if (after === undefined) return [{ kind: "delete", chain: before }];
  if (hookKey(before) !== hookKey(after)) return [{ kind: "replace", chain: after }];
  const usesRemade = [...referencesOf(before.rules).sets].some((name) => remadeSets.has(name));
  const refill = usesRemade || fingerprint(before.rules) !== fingerprint(after.rules);
  if (before.base?.policy !== after.base?.policy) return [{ kind: "policy", chain: after, refill }];
  return refill ? [{ kind: "refill", chain: after }] : [];
}

function hookKey({ base }: Chain): string {
  return fingerprint(base === undefined ? null : { ...base, policy: undefined });
}
