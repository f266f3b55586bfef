import { groupBy } from "../base/group.ts";
import { remembered, rememberedWhile } from "../base/remembered.ts";
import type { Element, SetDefinition } from "./ast.ts";
import { isObject, type Json } from "./json.ts";

/** A set as nft lists it, whose elements are not read yet. */
interface Listed {
  readonly elements: readonly Json[];
  readonly read: (element: Json) => Element;
}

const listedAs = new WeakMap<SetDefinition, Listed>();

/** The set with its elements in the order of the listing, read when somebody asks for them. */
export function withListed(set: SetDefinition, listed: Listed): SetDefinition {
  const later = {
    ...set,
    get elements() {
      return readAll(listed);
    },
  };
  listedAs.set(later, listed);
  return later;
}

const readAll = remembered(({ elements, read }: Listed): readonly Element[] => elements.map(read));

/**
 * All elements whose keys have those numbers in fields that nft lists as numbers, and maybe others: of ten thousand publications few
 * are worth reading for one port. A field of which nothing is known is undefined.
 */
export function elementsNear(
  set: SetDefinition,
  numbers: readonly (number | undefined)[],
): readonly Element[] {
  const listed = listedAs.get(set);
  const fields = [...numbers.keys()].filter((field) => numbers[field] !== undefined);
  if (listed === undefined || fields.length === 0) return set.elements;
  const { groups, others } = indexOf(listed.elements, fields);
  const same = groups.get(fields.map((field) => numbers[field]).join()) ?? [];
  return [...same, ...others].map(listed.read);
}

/** By those fields; ranges and words apart. */
const indexOf = rememberedWhile(
  (_elements: readonly Json[], fields: readonly number[]) => [fields.join()],
  (elements, fields) =>
    groupBy(elements, (element) => {
      const parts = partsOfKey(element);
      const numbers = fields.map((field) => parts[field]);
      return numbers.every((each) => typeof each === "number") ? numbers.join() : undefined;
    }),
);

/** The fields of a key in `KEY`, `[KEY, DATA]`, and either key as `{elem: {val: KEY, counter: ...}}`. */
function partsOfKey(element: Json): readonly Json[] {
  const whole: Json = Array.isArray(element) ? element[0] : element;
  const elem = isObject(whole) ? whole["elem"] : undefined;
  const key = isObject(elem) ? elem["val"] : whole;
  const parts = isObject(key) ? key["concat"] : undefined;
  return Array.isArray(parts) ? parts : [key];
}
