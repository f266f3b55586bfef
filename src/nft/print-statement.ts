import { unreachable } from "../base/unreachable.ts";
import type { Rule, Statement } from "./ast.ts";
import { apart } from "./joined-match.ts";
import { datatypesOf, flagsOf } from "./datatype.ts";
import {
  allowWildcard,
  isVerdict,
  printExpression,
  printMap,
  printNatTarget,
  printVerdict,
} from "./print-expression.ts";
import {
  printComment,
  printLogPrefix,
  printName,
  printNumber,
  printWord,
  UnprintableText,
} from "./text.ts";

export function printRule(rule: Rule): string {
  const statements = apart(rule.statements).map(printStatement).join(" ");
  return rule.comment === undefined
    ? statements
    : `${statements} comment ${printComment(rule.comment)}`;
}

type Of<Kind extends Statement["kind"]> = Extract<Statement, { kind: Kind }>;

function printStatement(statement: Statement): string {
  if (isVerdict(statement)) return printVerdict(statement);
  switch (statement.kind) {
    case "match":
      return printMatch(statement);
    case "vmap":
      return `${printExpression(statement.key)} vmap ${printMap(statement.key, statement.data, [])}`;
    case "dnat":
    case "snat":
      return printNat(statement);
    case "masquerade":
    case "redirect": {
      const port = printNatTarget(undefined, statement.port);
      return port === "" ? statement.kind : `${statement.kind} to ${port}`;
    }
    case "mangle":
      return `${printExpression(statement.key)} set ${printExpression(statement.value, datatypesOf(statement.key))}`;
    default:
      return printPlain(statement);
  }
}

/** Statements that hold no expression worth a datatype. */
function printPlain(
  statement: Of<"counter" | "log" | "limit" | "reject" | "set" | "unknown">,
): string {
  switch (statement.kind) {
    case "counter":
      return "counter";
    case "log":
      return printLog(statement);
    case "limit":
      return printLimit(statement);
    case "reject":
      return printReject(statement);
    case "set":
      return printSetChange(statement);
    case "unknown":
      throw new UnprintableText("statement", statement.json);
    default:
      return unreachable(statement);
  }
}

function printSetChange({ op, set, key, timeout, over }: Of<"set">): string {
  const stay = timeout === undefined ? "" : ` timeout ${printDuration(timeout)}`;
  const count = over === undefined ? "" : ` ct count over ${printNumber(over)}`;
  return `${op} @${printName(set)} { ${printExpression(key)}${stay}${count} }`;
}

/** `1d2h3m4s` */
function printDuration(seconds: number): string {
  const units: [string, number][] = [
    ["d", seconds / 86_400],
    ["h", (seconds / 3600) % 24],
    ["m", (seconds / 60) % 60],
    ["s", seconds % 60],
  ];
  const parts = units.map(([unit, count]) => `${Math.floor(count)}${unit}`);
  return parts.filter((part) => !/^0\D/.test(part)).join("");
}

function printMatch(match: Of<"match">): string {
  const { left, right, op } = match;
  const types = datatypesOf(left);
  const value = printExpression(right, right.kind === "value" ? allowWildcard(types) : types);
  if (left.kind === "&" && left.right.kind === "flags" && flagsOf(types[0]) !== undefined) {
    const sign = op === "!=" ? "!= " : "";
    return `${printExpression(left.left)} ${sign}${value} / ${printExpression(left.right)}`;
  }
  const sign = isImplicit(match) ? "" : `${op} `;
  return `${printExpression(left)} ${sign}${value}`;
}

/** nft has no word for "among these flags", so `==` must be written out where a bare value would mean that. */
function isImplicit({ op, left, right }: Of<"match">): boolean {
  if (op === "in") return true;
  if (op !== "==" || left.kind === "&") return false;
  return flagsOf(datatypesOf(left)[0]) === undefined || !["value", "flags"].includes(right.kind);
}

function printNat(nat: Of<"dnat" | "snat">): string {
  const family = nat.family === undefined ? "" : ` ${nat.family}`;
  return `${nat.kind}${family} to ${printNatTarget(nat.address, nat.port)}`;
}

function printLog(log: Of<"log">): string {
  const words = ["log"];
  if (log.prefix !== undefined) words.push("prefix", printLogPrefix(log.prefix));
  if (log.group !== undefined) words.push("group", printNumber(log.group));
  if (log.level !== undefined) words.push("level", printWord(log.level));
  return words.join(" ");
}

function printLimit(limit: Of<"limit">): string {
  const over = limit.over === true ? "over " : "";
  const burst = limit.burst === defaultBurst ? "" : ` burst ${printNumber(limit.burst)} packets`;
  return `limit rate ${over}${printNumber(limit.rate)}/${limit.per}${burst}`;
}

/** What nft fills in where a limit names no burst, and does not list. */
const defaultBurst = 5;

function printReject(reject: Of<"reject">): string {
  if (reject.type === undefined) return "reject";
  const code = reject.code === undefined ? "" : ` ${printWord(reject.code)}`;
  return `reject with ${printWord(reject.type)}${code}`;
}
