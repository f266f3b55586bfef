import type { BaseChain, Chain, Element, SetDefinition, Table, TableFamily } from "./ast.ts";
import { type Datatypes, elementsPerLine } from "./datatype.ts";
import { normalise } from "./normalise.ts";
import { allowWildcard, printElement, printExpression } from "./print-expression.ts";
import { printRule } from "./print-statement.ts";
import { printPriority } from "./priority.ts";
import { printName, printNumber, printWord, UnprintableText } from "./text.ts";

/** The tables one after the other, as `nft list ruleset` shows them. */
export function printRuleset(tables: readonly Table[]): string {
  return tables.map(printTable).join("");
}

/**
 * The table's normal form as `nft list table` (1.0.6) shows it, less counts, owner and handles. Elements stand in our order, which
 * is nft's own for interval sets of one field; nft lists other sets by a byte order that serves no reader. `nft -f` takes it.
 */
export function printTable(table: Table): string {
  const { family, name, sets, chains } = normalise(table);
  const blocks = [...sets.map(printSet), ...chains.map((chain) => printChain(family, chain))];
  return `table ${family} ${printName(name)} {\n${blocks.join("\n")}}\n`;
}

function printSet(set: SetDefinition): string {
  const lines = [`${kindOf(set)} ${printName(set.name)} {`, ...declarationOf(set).map(indent)];
  if (set.elements.length > 0) lines.push(indent(`elements = { ${wrapElements(set)} }`));
  lines.push("}");
  return lines.map((line) => `\t${line}\n`).join("");
}

function printChain(family: TableFamily, chain: Chain): string {
  const lines = [
    `chain ${printName(chain.name)} {`,
    ...(chain.base === undefined ? [] : [indent(printBase(family, chain.base))]),
    ...chain.rules.map((rule) => indent(printRule(rule))),
    "}",
  ];
  return lines.map((line) => `\t${line}\n`).join("");
}

function indent(line: string): string {
  return `\t${line}`;
}

export function kindOf(set: SetDefinition): "set" | "map" {
  return set.data === undefined ? "set" : "map";
}

/** What makes up a set besides its elements: `type ipv4_addr . inet_service : verdict`, `flags interval`, `counter`. */
export function declarationOf(set: SetDefinition): string[] {
  if (set.unknown !== undefined) throw new UnprintableText("set", set.unknown);
  const data = set.data === undefined ? "" : ` : ${printTypes(set.data)}`;
  const lines = [
    set.keyLike === undefined
      ? `type ${printTypes(set.type)}${data}`
      : `typeof ${printExpression(set.keyLike)}${data}`,
  ];
  if (set.size !== undefined) lines.push(`size ${printNumber(set.size)}`);
  if (set.flags.length > 0) lines.push(`flags ${set.flags.join(",")}`);
  if (set.counter) lines.push("counter");
  return lines;
}

export function printTypes(types: Datatypes): string {
  return types.map(printWord).join(" . ");
}

export function printBase(family: TableFamily, base: BaseChain): string {
  const priority = printPriority(family, base);
  return `type ${base.type} hook ${base.hook} priority ${priority}; policy ${base.policy};`;
}

export function printSetElement(set: SetDefinition, element: Element): string {
  const types = set.flags.includes("interval") ? allowWildcard(set.type) : set.type;
  return printElement(element, types, set.data);
}

const continuation = ",\n\t\t\t     ";

function wrapElements(set: SetDefinition): string {
  const perLine = elementsPerLine(set.type);
  const elements = set.elements.map((element) => printSetElement(set, element));
  const lines: string[] = [];
  for (let i = 0; i < elements.length; i += perLine) {
    lines.push(elements.slice(i, i + perLine).join(", "));
  }
  return lines.join(continuation);
}
