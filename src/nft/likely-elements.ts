import type { Element, Expression, SetDefinition, Verdict } from "./ast.ts";
import type { Datatypes } from "./datatype.ts";
import { inetProtocolNumber } from "./inet-protocol.ts";
import { isObject, type Json } from "./json.ts";

/**
 * Finds the element of a set that `nft -p -j` lists, where the JSON says nothing else than that element does. Ten thousand that stand as
 * they should are read and compared so at a quarter of the cost. Undefined says nothing: the element may stand there in other words.
 */
export function likelyElements(
  set: SetDefinition | undefined,
): (json: Json) => Element | undefined {
  const known = new Map<string, Element>();
  const { elements = [], type = [], data = [] } = set ?? {};
  for (const element of elements) {
    const json = jsonOfElement(element, { type, data });
    if (json !== undefined) known.set(JSON.stringify(json), element);
  }
  if (known.size === 0) return () => undefined;
  return (json) => {
    const [key, data] = Array.isArray(json) ? (json as Json[]) : [json];
    return known.get(JSON.stringify([withoutCounter(key), data]));
  };
}

/** `{elem: {val: KEY, counter: ...}}` is the key: what a counter says is no part of the ruleset. */
function withoutCounter(json: Json): Json {
  const elem = isObject(json) ? json["elem"] : undefined;
  if (!isObject(elem)) return json;
  for (const name in elem) if (name !== "val" && name !== "counter") return json;
  return elem["val"];
}

function jsonOfElement(
  { key, data, unknown }: Element,
  types: { readonly type: Datatypes; readonly data: Datatypes },
): Json {
  const keyJson = jsonOf(key, types.type);
  const dataJson = data && jsonOf(data, types.data);
  if (unknown !== undefined || keyJson === undefined) return undefined;
  return data !== undefined && dataJson === undefined ? undefined : [keyJson, dataJson];
}

/** As nft lists it in this field of so many; undefined for what seldom stands in sets. */
function jsonOf(expression: Expression | Verdict, types: Datatypes, field = 0): Json {
  switch (expression.kind) {
    case "value":
      return types[field] === "inet_proto"
        ? inetProtocolNumber(expression.value)
        : expression.value;
    case "concat": {
      const parts = expression.parts.map((part, index) => jsonOf(part, types, index));
      return parts.includes(undefined) ? undefined : { concat: parts };
    }
    case "jump":
    case "goto":
      return { [expression.kind]: { target: expression.chain } };
    case "accept":
    case "drop":
    case "return":
    case "continue":
      return { [expression.kind]: null };
    default:
      return undefined;
  }
}
