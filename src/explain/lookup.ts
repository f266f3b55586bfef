import type { Element, Expression } from "../nft/ast.ts";
import { matchesKey } from "./constant.ts";
import type { Loaded } from "./value.ts";

/** The elements that a key may have met: exactly one, where `mayMiss` is false and there is no other. */
export interface Lookup {
  readonly candidates: readonly Element[];
  /** Whether the set may hold no such key. */
  readonly mayMiss: boolean;
}

export function lookUp(
  elements: readonly Element[],
  fields: readonly Loaded[],
  types: readonly string[],
): Lookup {
  const candidates: Element[] = [];
  for (const element of elements) {
    if (isCatchAll(element.key)) continue;
    const answer = matchesKey(element.key, fields, types);
    if (answer === "yes" && isPlain(element)) return { candidates: [element], mayMiss: false };
    if (answer !== "no") candidates.push(element);
  }
  const rest = elements.find(({ key }) => isCatchAll(key));
  return rest === undefined
    ? { candidates, mayMiss: true }
    : { candidates: [...candidates, rest], mayMiss: false };
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
