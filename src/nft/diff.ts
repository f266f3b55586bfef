import type { Chain, Element, SetDefinition, Table } from "./ast.ts";
import { compareText } from "./fingerprint.ts";
import { declarationOf, kindOf, printBase, printSetElement, printTable } from "./print.ts";
import { printRule } from "./print-statement.ts";
import { changeOf, type ChainChange, type SetChange, type TableChange } from "./table-change.ts";
import { printForeignName, printName } from "./text.ts";

/**
 * The text of one transaction for `nft -f` that turns the actual tables into the desired ones, or nothing where they are the same.
 * It touches only what differs, so that elements keep their counts. A table that exists is never named by `table` or `add table`:
 * a table with an owner refuses both (kernel 6.18: EOPNOTSUPP).
 */
export function diffTables(actual: readonly Table[], desired: readonly Table[]): string {
  return tablePairs(actual, desired).map(printPair).join("");
}

export interface TablePair {
  readonly before: Table | undefined;
  readonly after: Table | undefined;
}

/** Tables of either side by family and name. */
export function tablePairs(actual: readonly Table[], desired: readonly Table[]): TablePair[] {
  const before = new Map(actual.map((table) => [addressOf(table), table]));
  const after = new Map(desired.map((table) => [addressOf(table), table]));
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort(compareText)
    .map((address) => ({ before: before.get(address), after: after.get(address) }));
}

/** `inet virtwall` */
export function addressOf({ family, name }: Pick<Table, "family" | "name">): string {
  return `${family} ${printName(name)}`;
}

function printPair({ before, after }: TablePair): string {
  if (before === undefined) return after === undefined ? "" : printTable(after);
  if (after === undefined) return `delete table ${addressOf(before)}\n`;
  const change = changeOf(before, after);
  return change === undefined ? "" : printChange(after, change);
}

/**
 * References go before what they name, what is named comes before its references: rules, elements, sets, chains on the way down,
 * and back on the way up.
 */
function printChange(table: Table, { wake, sets, chains }: TableChange): string {
  const address = addressOf(table);
  const commands = [
    ...(wake ? [`add table ${address}`] : []),
    ...chains
      .filter(isEmptied)
      .map(({ chain }) => `flush chain ${address} ${printForeignName(chain.name)}`),
    ...sets.flatMap((change) => deleteElements(address, change)),
    ...sets.filter(isRemoved).map((change) => deleteSet(address, change)),
    ...chains
      .filter(isUnmade)
      .map(({ chain }) => `delete chain ${address} ${printForeignName(chain.name)}`),
    ...chains.filter(isDeclared).map(({ chain }) => addChain(table, chain)),
    ...sets.filter(isMade).map(({ set }) => addSet(address, set)),
    ...sets.flatMap((change) => addElements(address, change)),
    ...chains.filter(isFilled).flatMap(({ chain }) => addRules(address, chain)),
  ];
  return commands.map((command) => `${command}\n`).join("");
}

function isEmptied(change: ChainChange): boolean {
  return change.kind === "policy" ? change.refill : change.kind !== "add";
}

function isUnmade({ kind }: ChainChange): boolean {
  return kind === "delete" || kind === "replace";
}

function isDeclared({ kind }: ChainChange): boolean {
  return kind === "add" || kind === "replace" || kind === "policy";
}

function isFilled(change: ChainChange): boolean {
  return change.kind === "policy" ? change.refill : change.kind !== "delete";
}

function isRemoved({ kind }: SetChange): boolean {
  return kind === "delete" || kind === "replace";
}

function isMade({ kind }: SetChange): boolean {
  return kind === "add" || kind === "replace";
}

/** For a base chain that is there already this sets the policy. */
function addChain(table: Table, { name, base }: Chain): string {
  const declaration = base === undefined ? "" : ` { ${printBase(table.family, base)} }`;
  return `add chain ${addressOf(table)} ${printName(name)}${declaration}`;
}

function addRules(address: string, chain: Chain): string[] {
  return chain.rules.map(
    (rule) => `add rule ${address} ${printName(chain.name)} ${printRule(rule)}`,
  );
}

function deleteSet(address: string, change: SetChange): string {
  const old = change.kind === "replace" ? change.before : change.set;
  return `delete ${kindOf(old)} ${address} ${printForeignName(old.name)}`;
}

function addSet(address: string, set: SetDefinition): string {
  return `add ${kindOf(set)} ${address} ${printName(set.name)} { ${declarationOf(set).join("; ")}; }`;
}

function deleteElements(address: string, change: SetChange): string[] {
  const { kind, set } = change;
  if (kind === "refill") return [`flush ${kindOf(set)} ${address} ${printName(set.name)}`];
  if (kind !== "elements") return [];
  const keys = change.deleted.map(({ key }) => ({ key }));
  return elementCommand("delete", `${address} ${set.name}`, printAll(set, keys));
}

function addElements(address: string, change: SetChange): string[] {
  if (change.kind === "delete") return [];
  const elements = change.kind === "elements" ? change.added : change.set.elements;
  return elementCommand("add", `${address} ${change.set.name}`, printAll(change.set, elements));
}

function printAll(set: SetDefinition, elements: readonly Element[]): string[] {
  return elements.map((element) => printSetElement(set, element));
}

function elementCommand(verb: string, place: string, elements: readonly string[]): string[] {
  return elements.length === 0 ? [] : [`${verb} element ${place} { ${elements.join(", ")} }`];
}
