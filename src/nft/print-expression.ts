import { unreachable } from "../base/unreachable.ts";
import type { Element, Expression, Verdict } from "./ast.ts";
import { type Datatypes, datatypesOf, wildcardIfname } from "./datatype.ts";
import {
  printName,
  printNumber,
  printPrefix,
  printValue,
  printWord,
  UnprintableText,
} from "./text.ts";

/** `types` are the datatypes of constants in the expression, as its place demands them. */
export function printExpression(expression: Expression, types: Datatypes = []): string {
  const [type = "integer"] = types;
  switch (expression.kind) {
    case "value":
      return printValue(expression.value, type);
    case "range":
      return `${printValue(expression.first, type)}-${printValue(expression.last, type)}`;
    case "prefix":
      return printPrefix(expression.address, expression.length);
    case "concat":
      return expression.parts
        .map((part, index) => printExpression(part, types.slice(index, index + 1)))
        .join(" . ");
    case "elements":
      return `{ ${expression.elements.map((element) => printElement(element, types)).join(", ")} }`;
    case "reference":
      return `@${printName(expression.name)}`;
    case "flags":
      return expression.values.map(printWord).join(",");
    case "|":
    case "&":
    case "^":
      return printOperation(expression);
    case "map":
      return `${printExpression(expression.key)} map ${printMap(expression.key, expression.data, types)}`;
    case "unknown":
      throw new UnprintableText("expression", expression.json);
    default:
      return printSelector(expression);
  }
}

type Selector = Extract<
  Expression,
  { kind: "meta" | "ct" | "payload" | "raw" | "tcp option" | "fib" }
>;

/** Keys of `meta` that nft lists without that word. */
const bareMetaKeys = new Set(["iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"]);

function printSelector(selector: Selector): string {
  switch (selector.kind) {
    case "meta": {
      const key = printWord(selector.key);
      return bareMetaKeys.has(key) ? key : `meta ${key}`;
    }
    case "ct": {
      const key = printWord(selector.key);
      return selector.direction === undefined ? `ct ${key}` : `ct ${selector.direction} ${key}`;
    }
    case "payload":
      return `${printWord(selector.protocol)} ${printWord(selector.field)}`;
    case "raw":
      return `@${selector.base},${printNumber(selector.offset)},${printNumber(selector.length)}`;
    case "tcp option":
      return `tcp option ${printNumber(selector.option)}`;
    case "fib":
      return `fib ${selector.flags.map(printWord).join(" . ")} ${printWord(selector.result)}`;
    default:
      return unreachable(selector);
  }
}

/** nft reads operators from left to right without regard to which they are, and has no brackets in what it lists. */
function printOperation(operation: Extract<Expression, { kind: "|" | "&" | "^" }>): string {
  const types = datatypesOf(operation);
  const left = printExpression(operation.left, types);
  return `${left} ${operation.kind} ${printExpression(operation.right, types)}`;
}

/** What stands behind `map` or `vmap`: a reference, or an anonymous map whose keys are of the key's type. */
export function printMap(key: Expression, data: Expression, dataTypes: Datatypes): string {
  if (data.kind !== "elements") return printExpression(data);
  const keyTypes = datatypesOf(key);
  const elements = data.elements.map((element) => printElement(element, keyTypes, dataTypes));
  return `{ ${elements.join(", ")} }`;
}

export function printElement(
  element: Element,
  keyTypes: Datatypes,
  dataTypes: Datatypes = [],
): string {
  if (element.unknown !== undefined) throw new UnprintableText("element", element.unknown);
  const stay = element.timeout === undefined ? "" : ` timeout ${printNumber(element.timeout)}s`;
  const key = `${printExpression(element.key, keyTypes)}${stay}`;
  if (element.data === undefined) return key;
  const { data } = element;
  return `${key} : ${isVerdict(data) ? printVerdict(data) : printExpression(data, dataTypes)}`;
}

const verdicts: ReadonlySet<string> = new Set([
  "accept",
  "drop",
  "return",
  "continue",
  "jump",
  "goto",
] satisfies Verdict["kind"][]);

export function isVerdict(value: { readonly kind: string }): value is Verdict {
  return verdicts.has(value.kind);
}

export function printVerdict(verdict: Verdict): string {
  return verdict.kind === "jump" || verdict.kind === "goto"
    ? `${verdict.kind} ${printName(verdict.chain)}`
    : verdict.kind;
}

/**
 * Where an interface name may be a wildcard. Not in an anonymous set: nft 1.0.6 takes it there and lists garbage.
 */
export function allowWildcard(types: Datatypes): Datatypes {
  return types.length === 1 && types[0] === "ifname" ? [wildcardIfname] : types;
}

/** An address with or without a port, as `dnat` and `snat` take it. */
export function printNatTarget(address: Expression | undefined, port: Expression | undefined) {
  const portText = port === undefined ? "" : `:${printExpression(port, ["inet_service"])}`;
  if (address === undefined) return portText;
  const text = printExpression(address, ["address", "inet_service"]);
  if (portText === "") return text;
  return `${text.includes(":") ? bracket(text) : text}${portText}`;
}

function bracket(addresses: string): string {
  return addresses
    .split("-")
    .map((address) => `[${address}]`)
    .join("-");
}
