import { tableName } from "../compile/names.ts";
import type { SetDefinition, Table } from "../nft/ast.ts";
import { describeDiff } from "../nft/describe-diff.ts";
import { diffTables } from "../nft/diff.ts";
import { printRuleset } from "../nft/print.ts";

export interface TablePlan {
  /** One transaction in nft's language; empty when nothing differs. */
  readonly script: string;
  /** The same for people, one change a line. */
  readonly changes: readonly string[];
}

/** The way from what the kernel holds to what it is to hold. */
export function planTables(actual: readonly Table[], desired: readonly Table[]): TablePlan {
  const [before, after] = withoutCommonElements(actual, desired);
  const script = diffTables(before, after);
  // A gate makes its tables before anything is in them; for people that is no table yet.
  const filled = before.filter((table) => table.sets.length + table.chains.length > 0);
  return { script, changes: script === "" ? [] : describeDiff(filled, after) };
}

/**
 * Elements that stand in both, written alike, are no matter of a diff, which brings every element to its normal form at some cost:
 * one new lease among ten thousand publications would take ten times as long.
 */
function withoutCommonElements(
  actual: readonly Table[],
  desired: readonly Table[],
): readonly [readonly Table[], readonly Table[]] {
  const pairs = desired.map((after): readonly [Table | undefined, Table] => {
    const before = actual.find(
      ({ family, name }) => family === after.family && name === after.name,
    );
    return before ? shrinkTables(before, after) : [undefined, after];
  });
  const isDesired = (table: Table) =>
    desired.some(({ family, name }) => family === table.family && name === table.name);
  const surplus = actual.filter((table) => !isDesired(table));
  const befores = pairs.flatMap(([before]) => before ?? []);
  return [[...befores, ...surplus], pairs.map(([, after]) => after)];
}

function shrinkTables(before: Table, after: Table): readonly [Table, Table] {
  const shrunk = after.sets.map((set): readonly [SetDefinition | undefined, SetDefinition] => {
    const old = before.sets.find(({ name }) => name === set.name);
    return old && isDeclaredAlike(old, set) ? shrinkSets(old, set) : [old, set];
  });
  const names = new Set(after.sets.map(({ name }) => name));
  const surplus = before.sets.filter(({ name }) => !names.has(name));
  return [
    { ...before, sets: [...shrunk.flatMap(([old]) => old ?? []), ...surplus] },
    { ...after, sets: shrunk.map(([, set]) => set) },
  ];
}

function isDeclaredAlike(a: SetDefinition, b: SetDefinition): boolean {
  const declaration = ({ elements: _elements, ...rest }: SetDefinition) => JSON.stringify(rest);
  return declaration(a) === declaration(b);
}

function shrinkSets(
  old: SetDefinition,
  set: SetDefinition,
): readonly [SetDefinition, SetDefinition] {
  const before = new Map(old.elements.map((element) => [JSON.stringify(element), element]));
  const added = set.elements.filter((element) => !before.delete(JSON.stringify(element)));
  return [
    { ...old, elements: [...before.values()] },
    { ...set, elements: added },
  ];
}

/** The ruleset in nft's listing form. */
export function printTables(tables: readonly Table[]): string {
  return printRuleset(tables);
}

/** Whether a table of this name can only be ours. */
export function isOwnTable(table: Pick<Table, "family" | "name">): boolean {
  return table.name === tableName && (table.family === "inet" || table.family === "bridge");
}
