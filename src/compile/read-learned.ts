import { formatAddress, parseAddress, type Address } from "../base/address.ts";
import type { Element, Expression, SetDefinition, Table } from "../nft/ast.ts";
import { tableName } from "./names.ts";

/** Whether a set of this name holds addresses that were learned. */
export function isLearned(set: string): boolean {
  return set.startsWith("learned");
}

/** What the kernel has learned by itself of the nics that filters bind, by tap. */
export function readLearned(tables: readonly Table[]): ReadonlyMap<string, readonly Address[]> {
  const learned = new Map<string, Address[]>();
  const elements = setsOfLearning(tables)
    .filter(({ name }) => isLearned(name))
    .flatMap((set) => set.elements);
  for (const { tap, address } of elements.flatMap(readElement)) {
    const known = learned.get(tap);
    if (known === undefined) learned.set(tap, [address]);
    else known.push(address);
  }
  return learned;
}

/** What the kernel fills as it learns. */
export function setsOfLearning(tables: readonly Table[]): readonly SetDefinition[] {
  return bridgeSets(tables).filter(({ name }) => /^(learned|locked)[46](_|$)/.test(name));
}

/** The MAC addresses of nics of which is learned, as numbers, by tap. */
export function learningMacs(tables: readonly Table[]): ReadonlyMap<string, string> {
  const macs = bridgeSets(tables).find(({ name }) => name === "learning_macs");
  return new Map(
    (macs?.elements ?? []).flatMap(({ key }) => {
      const [tap, mac] = key.kind === "concat" ? key.parts.map(valueOf) : [];
      return tap === undefined || mac === undefined ? [] : [[String(tap), String(mac)] as const];
    }),
  );
}

function bridgeSets(tables: readonly Table[]): readonly SetDefinition[] {
  return tables
    .filter(({ family, name }) => family === "bridge" && name === tableName)
    .flatMap(({ sets }) => sets);
}

/** nft shows the tap of an index by its name; IPv4 addresses are bits without a type. */
function readElement({ key }: Element): { tap: string; address: Address }[] {
  const [tap, field] = key.kind === "concat" ? key.parts.map(valueOf) : [];
  if (tap === undefined || field === undefined) return [];
  const address = typeof field === "number" ? formatAddress(4, BigInt(field)) : parseAddress(field);
  return address === undefined ? [] : [{ tap: String(tap), address }];
}

function valueOf(expression: Expression): string | number | undefined {
  return expression.kind === "value" ? expression.value : undefined;
}
