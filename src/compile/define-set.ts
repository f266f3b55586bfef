import type { Family } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Element, SetDefinition } from "../nft/ast.ts";
import { value } from "../nft/build.ts";
import { distinctElements, keyed } from "./matches.ts";

type Form = Pick<SetDefinition, "type"> & Partial<Omit<SetDefinition, "name" | "elements">>;

/** A set or map without flags and counters unless `form` says so, its elements each once and sorted. */
export function defineSet(name: string, form: Form, elements: readonly Element[]): SetDefinition {
  const distinct = distinctElements(elements.map(keyed));
  return defineGatheredSet(
    name,
    form,
    distinct.map(({ element }) => element),
  );
}

/** The same of elements that are each once and sorted already: see {@link gathered}. */
export function defineGatheredSet(
  name: string,
  form: Form,
  elements: readonly Element[],
): SetDefinition {
  return { name, flags: [], counter: false, ...form, elements };
}

export function interfaceSet(name: string, names: readonly InterfaceName[]): SetDefinition {
  return defineSet(
    name,
    { type: ["ifname"] },
    names.map((key) => ({ key: value(key) })),
  );
}

export const addressType = (family: Family) => `ipv${family}_addr`;
