import type { Element, Expression, SetDefinition, Verdict } from "./ast.ts";
import type { Datatypes } from "./datatype.ts";
import { inetProtocolNumber } from "./inet-protocol.ts";
import { isObject, type Json } from "./json.ts";

type Constant = string | number;

/**
 * Finds the element of a set that `nft -p -j` lists, where the JSON says nothing else than that element does. Ten thousand that stand as
 * they should are read and compared so at a quarter of the cost. Undefined says nothing: the element may stand there in other words.
 */
export function likelyElements(
  set: SetDefinition | undefined,
): (json: Json) => Element | undefined {
  const known = new Map<Constant, Element>();
  const { elements = [], type = [], data: dataType = [] } = set ?? {};
  for (const element of elements) {
    const label = labelOf(element.key, type);
    if (label !== undefined) known.set(label, element);
  }
  if (known.size === 0) return () => undefined;
  return (json) => {
    const [whole, data] = Array.isArray(json) ? (json as Json[]) : [json];
    const key = withoutCounter(whole);
    const element = known.get(labelOfJson(key) ?? "");
    if (element === undefined || element.unknown !== undefined) return undefined;
    if (!isListedAs(element.key, key, type)) return undefined;
    const isSame =
      element.data === undefined ? data === undefined : isListedAs(element.data, data, dataType);
    return isSame ? element : undefined;
  };
}

/** `{elem: {val: KEY, counter: ...}}` is the key: what a counter says is no part of the ruleset. */
function withoutCounter(json: Json): Json {
  const elem = isObject(json) ? json["elem"] : undefined;
  if (!isObject(elem)) return json;
  for (const name in elem) if (name !== "val" && name !== "counter") return json;
  return elem["val"];
}

/** By which the one element is found that a listed key can be; undefined for what seldom stands in sets. */
function labelOf(key: Expression, types: Datatypes): Constant | undefined {
  if (key.kind === "value") return constantOf(key.value, types[0]);
  if (key.kind !== "concat") return undefined;
  const parts: Constant[] = [];
  for (const part of key.parts) {
    if (part.kind !== "value") return undefined;
    parts.push(constantOf(part.value, types[parts.length]));
  }
  return parts.join(" ");
}

/** The same of nft's JSON. */
function labelOfJson(json: Json): Constant | undefined {
  if (typeof json === "string" || typeof json === "number") return json;
  const parts = onlyProperty(json, "concat");
  return Array.isArray(parts) ? parts.join(" ") : undefined;
}

/** Whether nft's JSON is just that; never for what seldom stands in sets. */
function isListedAs(expression: Expression | Verdict, json: Json, types: Datatypes): boolean {
  switch (expression.kind) {
    case "value":
      return json === constantOf(expression.value, types[0]);
    case "concat": {
      const parts = onlyProperty(json, "concat");
      return (
        Array.isArray(parts) &&
        parts.length === expression.parts.length &&
        expression.parts.every(
          (part, field) =>
            part.kind === "value" && parts[field] === constantOf(part.value, types[field]),
        )
      );
    }
    case "jump":
    case "goto":
      return onlyProperty(onlyProperty(json, expression.kind), "target") === expression.chain;
    case "accept":
    case "drop":
    case "return":
    case "continue":
      return onlyProperty(json, expression.kind) === null;
    default:
      return false;
  }
}

function constantOf(value: Constant, type: string | undefined): Constant {
  return type === "inet_proto" ? inetProtocolNumber(value) : value;
}

/** Undefined where there are others. */
function onlyProperty(json: Json, name: string): Json {
  if (!isObject(json)) return undefined;
  for (const each in json) if (each !== name) return undefined;
  return json[name];
}
