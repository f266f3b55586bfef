import type { Family } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Element, SetDefinition } from "../nft/ast.ts";
import { value } from "../nft/build.ts";
import { distinctElements, keyed, type KeyedElement } from "./matches.ts";

type Form = Pick<SetDefinition, "type"> & Partial<Omit<SetDefinition, "name" | "elements">>;

/** A set or map without flags and counters unless `form` says so, its elements each once and sorted. */
export function defineSet(name: string, form: Form, elements: readonly Element[]): SetDefinition {
  return defineKeyedSet(name, form, elements.map(keyed));
}

/** The same of elements whose keys have their text already. */
export function defineKeyedSet(
  name: string,
  form: Form,
  elements: readonly KeyedElement[],
): SetDefinition {
  return { name, flags: [], counter: false, ...form, elements: distinctElements(elements) };
}

export function interfaceSet(name: string, names: readonly InterfaceName[]): SetDefinition {
  return defineSet(
    name,
    { type: ["ifname"] },
    names.map((key) => ({ key: value(key) })),
  );
}

export const addressType = (family: Family) => `ipv${family}_addr`;
