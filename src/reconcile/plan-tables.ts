import { withoutCommonEnds } from "../base/common-ends.ts";
import { tableName } from "../compile/names.ts";
import type { Chain, Element, SetDefinition, Table } from "../nft/ast.ts";
import { describeDiff } from "../nft/describe-diff.ts";
import { diffTables } from "../nft/diff.ts";
import { isAlike } from "../nft/fingerprint.ts";

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
  const filled = actual.filter((table) => table.sets.length + table.chains.length > 0);
  const known = before.filter((table) => filled.some((each) => isSameTable(each, table)));
  return { script, changes: script === "" ? [] : describeDiff(known, after) };
}

/**
 * Elements and chains that stand in both, written alike, are no matter of a diff, which brings all it is given to normal form at some
 * cost: one new lease among ten thousand publications would take ten times as long.
 */
function withoutCommonElements(
  actual: readonly Table[],
  desired: readonly Table[],
): readonly [readonly Table[], readonly Table[]] {
  const pairs = desired.map((after): readonly [Table | undefined, Table] => {
    const before = actual.find((table) => isSameTable(table, after));
    return before ? shrinkTables(before, after) : [undefined, after];
  });
  const isDesired = (table: Table) => desired.some((each) => isSameTable(each, table));
  const surplus = actual.filter((table) => !isDesired(table));
  const befores = pairs.flatMap(([before]) => before ?? []);
  return [[...befores, ...surplus], pairs.map(([, after]) => after)];
}

function isSameTable(a: Table, b: Table): boolean {
  return a.family === b.family && a.name === b.name;
}

type SetPair = readonly [before: SetDefinition | undefined, after: SetDefinition];

function shrinkTables(before: Table, after: Table): readonly [Table, Table] {
  const olds = new Map(before.sets.map((set) => [set.name, set]));
  const shrunk = after.sets.flatMap((set): SetPair[] => {
    const old = olds.get(set.name);
    if (old === undefined || !isDeclaredAlike(old, set)) return [[old, set]];
    const [left, right] = shrinkSets(old, set);
    return left.elements.length + right.elements.length === 0 ? [] : [[left, right]];
  });
  const names = new Set(after.sets.map(({ name }) => name));
  const surplus = before.sets.filter(({ name }) => !names.has(name));
  const isRemade = shrunk.some(([old, set]) => old !== undefined && !isDeclaredAlike(old, set));
  const isDifferent = isRemade ? () => true : differenceOf(before.chains, after.chains);
  return [
    {
      ...before,
      sets: [...shrunk.flatMap(([old]) => old ?? []), ...surplus],
      chains: before.chains.filter(isDifferent),
    },
    { ...after, sets: shrunk.map(([, set]) => set), chains: after.chains.filter(isDifferent) },
  ];
}

/** A set that is made anew takes the rules that name it along, so then every chain counts. */
function differenceOf(before: readonly Chain[], after: readonly Chain[]) {
  const old = new Map(before.map((chain) => [chain.name, chain]));
  const alike = new Set(
    after.filter((chain) => isAlike(old.get(chain.name), chain)).map(({ name }) => name),
  );
  return ({ name }: Chain) => !alike.has(name);
}

function isDeclaredAlike(a: SetDefinition, b: SetDefinition): boolean {
  return isAlike({ ...a, elements: undefined }, { ...b, elements: undefined });
}

function shrinkSets(
  old: SetDefinition,
  set: SetDefinition,
): readonly [SetDefinition, SetDefinition] {
  const [left, right] =
    old.elements === set.elements ? [[], []] : withoutSameObjects(old.elements, set.elements);
  const before = new Map(left.map((element) => [JSON.stringify(element), element]));
  const added = right.filter((element) => !before.delete(JSON.stringify(element)));
  return [
    { ...old, elements: [...before.values()] },
    { ...set, elements: added },
  ];
}

/** What the compiler made of the same it made once: the quickest of all comparisons. */
function withoutSameObjects(
  old: readonly Element[],
  elements: readonly Element[],
): readonly [readonly Element[], readonly Element[]] {
  const [left, right] = withoutCommonEnds(old, elements);
  const before = new Set(left);
  const added = right.filter((element) => !before.delete(element));
  return [[...before], added];
}

/** Whether a table of this name can only be ours. */
export function isOwnTable(table: Pick<Table, "family" | "name">): boolean {
  return table.name === tableName && (table.family === "inet" || table.family === "bridge");
}
