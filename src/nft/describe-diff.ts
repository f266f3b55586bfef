import { unreachable } from "../base/unreachable.ts";
import type { Table } from "./ast.ts";
import { addressOf, tablePairs } from "./diff.ts";
import { kindOf, printSetElement } from "./print.ts";
import { type ChainChange, changeOf, type SetChange } from "./table-change.ts";

/**
 * One line for each thing that differs, for people: `+` is missing in the kernel, `-` is there and should not be, `~` is there
 * in another form.
 */
export function describeDiff(actual: readonly Table[], desired: readonly Table[]): string[] {
  return tablePairs(actual, desired).flatMap(({ before, after }) => {
    if (before === undefined) return after === undefined ? [] : [`+ table ${addressOf(after)}`];
    if (after === undefined) return [`- table ${addressOf(before)}`];
    const address = addressOf(after);
    const change = changeOf(before, after);
    if (change === undefined) return [];
    return [
      ...(change.wake ? [`~ table ${address} (dormant)`] : []),
      ...change.sets.flatMap((set) => describeSet(address, set)),
      ...change.chains.map((chain) => describeChain(address, chain)),
    ];
  });
}

function describeSet(address: string, change: SetChange): string[] {
  const name = `${kindOf(change.set)} ${address} ${change.set.name}`;
  switch (change.kind) {
    case "add":
      return [`+ ${name}`];
    case "delete":
      return [`- ${name}`];
    case "replace":
      return [`~ ${name} (declaration)`];
    case "refill":
      return [`~ ${name} (elements)`];
    case "elements": {
      const { set } = change;
      const place = `element ${address} ${set.name}`;
      return [
        ...change.deleted.map((element) => `- ${place} { ${printSetElement(set, element)} }`),
        ...change.added.map((element) => `+ ${place} { ${printSetElement(set, element)} }`),
      ];
    }
    default:
      return unreachable(change);
  }
}

function describeChain(address: string, change: ChainChange): string {
  const name = `chain ${address} ${change.chain.name}`;
  switch (change.kind) {
    case "add":
      return `+ ${name}`;
    case "delete":
      return `- ${name}`;
    case "replace":
      return `~ ${name} (hook)`;
    case "policy":
      return `~ ${name} (${change.refill ? "policy, rules" : "policy"})`;
    case "refill":
      return `~ ${name} (rules)`;
    default:
      return unreachable(change);
  }
}
