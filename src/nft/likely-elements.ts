import type { Element, Expression, SetDefinition, Verdict } from "./ast.ts";
import { isObject, type Json } from "./json.ts";

/**
 * Finds the element of a set that nft's JSON lists, where the JSON says nothing else than that element does. Ten thousand that stand as
 * they should are read and compared so at a quarter of the cost. Undefined says nothing: the element may stand there in other words.
 */
export function likelyElements(
  set: SetDefinition | undefined,
): (json: Json) => Element | undefined {
  const known = new Map<string, Element>();
  for (const element of set?.elements ?? []) {
    const json = jsonOfElement(element);
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

function jsonOfElement({ key, data, unknown }: Element): Json {
  const keyJson = jsonOf(key);
  const dataJson = data && jsonOf(data);
  if (unknown !== undefined || keyJson === undefined) return undefined;
  return data !== undefined && dataJson === undefined ? undefined : [keyJson, dataJson];
}

/** As nft lists it; undefined for what seldom stands in sets. */
function jsonOf(expression: Expression | Verdict): Json {
  switch (expression.kind) {
    case "value":
      return expression.value;
    case "concat": {
      const parts = expression.parts.map(jsonOf);
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
