import type { Element, Expression, SetDefinition } from "../nft/ast.ts";
import { elementsNear } from "../nft/listed-elements.ts";
import { groupBy } from "../base/group.ts";
import { rememberedWhile } from "../base/remembered.ts";
import { intervalOfConstant, matchesKey } from "./constant.ts";
import { isCovered } from "./outsider.ts";
import type { Loaded } from "./value.ts";

/** The elements that a key may have met: exactly one, where `mayMiss` is false and there is no other. */
export interface Lookup {
  readonly candidates: readonly Element[];
  /** Whether the set may hold no such key. */
  readonly mayMiss: boolean;
}

/** In a named set, of which only those elements are read that the key could meet. */
export function lookUpIn(set: SetDefinition, fields: readonly Loaded[]): Lookup {
  const numbers = fields.map((field, index) =>
    typeof field === "bigint" && listedAsNumbers.has(set.type[index] ?? "")
      ? Number(field)
      : undefined,
  );
  const isWhole = fields.length === set.type.length;
  return lookUp(isWhole ? elementsNear(set, numbers) : set.elements, fields, set.type);
}

/** Their numbers are those that a packet bears. */
const listedAsNumbers = new Set(["inet_proto", "inet_service"]);

export function lookUp(
  elements: readonly Element[],
  fields: readonly Loaded[],
  types: readonly string[],
): Lookup {
  const candidates: Element[] = [];
  for (const element of eligible(elements, fields, types)) {
    if (isCatchAll(element.key)) continue;
    const answer = matchesKey(element.key, fields, types);
    if (answer === "yes" && isPlain(element)) return { candidates: [element], mayMiss: false };
    if (answer !== "no") candidates.push(element);
  }
  const rest = elements.find(({ key }) => isCatchAll(key));
  return rest === undefined
    ? { candidates, mayMiss: !isOneOf(candidates, fields, types) }
    : { candidates: [...candidates, rest], mayMiss: false };
}

/** Whether a number of which not all is known meets one of them for sure. */
function isOneOf(
  candidates: readonly Element[],
  [field, ...more]: readonly Loaded[],
  [type = "integer"]: readonly string[],
): boolean {
  if (typeof field !== "object" || more.length > 0) return false;
  const intervals = candidates
    .filter(isPlain)
    .flatMap(({ key }) => intervalOfConstant(key, type) ?? []);
  return isCovered(field, intervals);
}

/** Those that a key could meet: of ten thousand publications one, where all of the key is known. */
function eligible(
  elements: readonly Element[],
  fields: readonly Loaded[],
  types: readonly string[],
): readonly Element[] {
  if (!fields.every((field) => typeof field === "bigint")) return elements;
  const { groups, others } = indexOf(elements, types);
  return [...(groups.get(fields.join()) ?? []), ...others];
}

/** Elements of one number a field, by these numbers. */
const indexOf = rememberedWhile(
  (_elements: readonly Element[], types: readonly string[]) => types,
  (elements, types) => groupBy(elements, ({ key }) => numbersOf(key, types)),
);

function numbersOf(key: Expression, types: readonly string[]): string | undefined {
  const numbers: bigint[] = [];
  for (const part of key.kind === "concat" ? key.parts : [key]) {
    const interval = intervalOfConstant(part, types[numbers.length] ?? "integer");
    if (interval === undefined || interval.first !== interval.last) return undefined;
    numbers.push(interval.first);
  }
  return numbers.join();
}

/** `*`, which nft's JSON shows as the bare word. */
function isCatchAll(key: Expression): boolean {
  return key.kind === "value" && key.value === "*";
}

/** Less what an element can hold of its own that decides nothing. One that has run out may be listed for a moment. */
const harmless = new Set(["comment", "timeout", "expires"]);

function isPlain({ unknown }: Element): boolean {
  if (unknown === undefined) return true;
  const properties = JSON.parse(unknown) as Readonly<Record<string, unknown>>;
  return Object.keys(properties).every((name) => harmless.has(name));
}
