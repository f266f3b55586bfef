import type { Element, Expression, SetDefinition } from "../nft/ast.ts";
import { datatypesOf } from "../nft/datatype.ts";
import { isVerdict } from "../nft/print-expression.ts";
import { flagsOfConstant, intervalOfConstant } from "./constant.ts";
import { fieldOf } from "./fields.ts";
import { loadForeign, loadTcpOption } from "./foreign-expression.ts";
import { loadBits, loadConntrack, loadField, loadMeta, loadStatus } from "./load.ts";
import { lookUp, type Lookup, lookUpIn } from "./lookup.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import type { Context, State } from "./state.ts";
import { type Loaded, nameBits } from "./value.ts";

/** Where and on what an expression is evaluated. */
export interface Scope {
  readonly state: State;
  readonly context: Context;
}

/** The datatypes of an expression, one a field; they decide what the constants it is compared with mean. */
export function typesOf(expression: Expression): readonly string[] {
  switch (expression.kind) {
    case "payload":
      return [fieldOf(expression.protocol, expression.field)?.type ?? "integer"];
    case "meta":
      if (/^[io]iftype$/.test(expression.key)) return ["iface_type"];
      if (/^(time|hour|day)$/.test(expression.key)) return [expression.key];
      return /^physdev (in|out)$/.test(expression.key) ? ["ifname"] : datatypesOf(expression);
    case "fib":
      return [expression.result === "type" ? "fib_addrtype" : "iface_index"];
    case "concat":
      return expression.parts.flatMap(typesOf);
    case "|":
    case "&":
    case "^":
      return typesOf(expression.left);
    default:
      return datatypesOf(expression);
  }
}

/** The fields that the kernel would load. `types` say what constants in the expression mean. */
export function evaluate(
  expression: Expression,
  types: readonly string[],
  scope: Scope,
): readonly Loaded[] {
  const { packet } = scope.state;
  const { context } = scope;
  const [type = "integer"] = types;
  switch (expression.kind) {
    case "meta":
      return [loadMeta(expression.key, packet, context)];
    case "ct":
      return [loadConntrack(expression.key, expression.direction, packet)];
    case "payload":
      return [loadField(expression.protocol, expression.field, { packet, context })];
    case "fib":
      return [loadFib(expression, packet, context)];
    case "concat":
      return expression.parts.flatMap((part, index) => evaluate(part, [types[index] ?? ""], scope));
    case "|":
    case "&":
    case "^":
      return [operate(expression, type, scope)];
    case "map":
      return evaluateMap(expression, types, scope);
    case "raw":
      return [loadRaw(expression, packet)];
    case "tcp option":
      return [loadTcpOption(packet, expression.option)];
    case "unknown":
      return [loadForeign(expression.json, packet, context)];
    default:
      return [constantOf(expression, type)];
  }
}

function constantOf(expression: Expression, type: string): Loaded {
  const interval = intervalOfConstant(expression, type);
  return interval !== undefined && interval.first === interval.last ? interval.first : "unknown";
}

type Operation = Extract<Expression, { kind: "|" | "&" | "^" }>;

function operate(operation: Operation, type: string, scope: Scope): Loaded {
  const isStatus = operation.left.kind === "ct" && operation.left.key === "status";
  if (isStatus && operation.kind === "&") {
    const mask = flagsOfConstant(operation.right, type);
    return mask === undefined ? "unknown" : loadStatus(mask, scope.state.packet);
  }
  const right =
    flagsOfConstant(operation.right, type) ?? evaluate(operation.right, [type], scope)[0];
  if (operation.kind === "&" && typeof right === "bigint") {
    return loadMasked(operation.left, right, { type, scope });
  }
  const [left = "unknown"] = evaluate(operation.left, [type], scope);
  if (left === "absent" || right === "absent") return "absent";
  if (typeof right !== "bigint") return "unknown";
  if (typeof left !== "bigint") return "unknown";
  if (operation.kind === "&") return left & right;
  return operation.kind === "|" ? left | right : left ^ right;
}

/** Of a header's field only those bits have to be known. */
function loadMasked(
  left: Expression,
  mask: bigint,
  { type, scope }: { type: string; scope: Scope },
): Loaded {
  const { packet } = scope.state;
  if (left.kind === "raw") return loadRaw(left, packet, mask);
  if (left.kind === "payload") {
    return loadField(left.protocol, left.field, { packet, context: scope.context, mask });
  }
  const [whole = "unknown"] = evaluate(left, [type], scope);
  if (typeof whole === "bigint") return whole & mask;
  return whole === "unknown" && mask === 0n ? 0n : whole;
}

function loadRaw(raw: Extract<Expression, { kind: "raw" }>, packet: Packet, mask?: bigint): Loaded {
  const { offset, length, base } = raw;
  if (base === "ih") return "unknown";
  return loadBits({ base: layers[base], offset, length, mask }, packet);
}

function evaluateMap(
  map: Extract<Expression, { kind: "map" }>,
  types: readonly string[],
  scope: Scope,
): readonly Loaded[] {
  const lookup = lookUpKey(map.key, map.data, scope);
  if (lookup.candidates.length === 0) return [lookup.mayMiss ? "absent" : "unknown"];
  const [first, ...more] = lookup.candidates;
  if (first?.data === undefined || isVerdict(first.data) || lookup.mayMiss || more.length > 0) {
    return ["unknown"];
  }
  const dataTypes = namedSet(map.data, scope.context)?.data ?? types;
  return evaluate(first.data, dataTypes, scope);
}

/** Looks a key up in `@name` or in an anonymous set or map. */
export function lookUpKey(key: Expression, data: Expression, scope: Scope): Lookup {
  const fields = evaluate(key, typesOf(key), scope);
  const set = namedSet(data, scope.context);
  if (fields.includes("absent")) return { candidates: [], mayMiss: true };
  if (data.kind === "elements") return lookUp(data.elements, fields, typesOf(key));
  if (set === undefined) return { candidates: [], mayMiss: false };
  const listed = lookUpIn(set, fields);
  return withChanges(listed, { set, fields, scope });
}

export function namedSet(data: Expression, context: Context): SetDefinition | undefined {
  return data.kind === "reference"
    ? context.table.sets.find(({ name }) => name === data.name)
    : undefined;
}

/** What rules on the way here put into the set, or took out. */
function withChanges(
  listed: Lookup,
  { set, fields, scope }: { set: SetDefinition; fields: readonly Loaded[]; scope: Scope },
): Lookup {
  const changes = scope.state.sets.filter(
    (change) => change.table === scope.context.table && change.set === set.name,
  );
  let lookup = listed;
  for (const change of changes) {
    if (change.key.some((part, index) => isOther(part, fields[index]))) continue;
    const isCertain = [...change.key, ...fields].every((part) => typeof part === "bigint");
    if (!isCertain) return { candidates: [...lookup.candidates, added], mayMiss: true };
    lookup =
      change.op === "delete"
        ? { candidates: [], mayMiss: true }
        : { candidates: [added], mayMiss: false };
  }
  return lookup;
}

const added: Element = { key: { kind: "value", value: 0 } };

function isOther(a: Loaded | undefined, b: Loaded | undefined): boolean {
  return typeof a === "bigint" && typeof b === "bigint" && a !== b;
}

/** No flag of nft's: only routes by the interface that the answer is held to are asked for. */
export const boundFlag = "bound";

const layers = { ll: "link", nh: "network", th: "transport" } as const;

/** By which the host gets what it sends to itself: the kernel looks for no way back then (nft_fib_can_skip). */
function loopback({ host, hook, iif }: Context): string | undefined {
  const isReceived = hook === "prerouting" || hook === "input";
  const receiver = isReceived ? host.interfaces.get(iif ?? "") : undefined;
  return receiver?.isLoopback === true ? receiver.name : undefined;
}

function loadFib(
  { result, flags }: Extract<Expression, { kind: "fib" }>,
  packet: Packet,
  context: Context,
): Loaded {
  const family = familyOfPacket(packet);
  if (family === undefined) return "absent";
  const looped = loopback(context);
  if (result !== "type" && looped !== undefined) return nameBits(looped);
  const protocol = family === 4 ? "ip" : "ip6";
  const device = flags.includes("iif") ? context.iif : flags.includes("oif") ? context.oif : "";
  if (device === undefined) return "unknown";
  return context.host.fib({
    family,
    result,
    end: flags.includes("saddr") ? "source" : "destination",
    source: loadField(protocol, "saddr", { packet }),
    destination: loadField(protocol, "daddr", { packet }),
    ...(device !== "" && { device }),
    ...(flags.includes("mark") && { mark: packet.mark }),
    ...(flags.includes(boundFlag) && { isBound: true }),
  });
}
