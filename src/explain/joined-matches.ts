import type { Statement } from "../nft/ast.ts";
import { fieldOf, type Field } from "./fields.ts";

/**
 * The statements one by one, but for matches that nft may have joined: of `tcp sport != 5 tcp dport != 6` nft 1.0.6 makes one
 * comparison of both fields, which holds where either of them differs, and lists it as it was written. What such a rule does is
 * certain only where all or none of its fields differ.
 */
export function groupMatches(statements: readonly Statement[]): Statement[][] {
  const groups: Statement[][] = [];
  for (const statement of statements) {
    const group = groups.at(-1);
    const before = group?.at(-1);
    if (group !== undefined && before !== undefined && mayBeJoined(before, statement)) {
      group.push(statement);
    } else groups.push([statement]);
  }
  return groups;
}

/** A register of the kernel's, which nft fills. */
const mostBits = 32;

function mayBeJoined(a: Statement, b: Statement): boolean {
  const [first, second] = [differingField(a), differingField(b)];
  if (first === undefined || second === undefined || first.base !== second.base) return false;
  const isBeside =
    first.offset + first.length === second.offset || second.offset + second.length === first.offset;
  return isBeside && first.length + second.length <= mostBits;
}

const layers = { ll: "link", nh: "network", th: "transport" } as const;

function differingField(
  statement: Statement,
): Pick<Field, "base" | "offset" | "length"> | undefined {
  if (statement.kind !== "match" || statement.op !== "!=") return undefined;
  const { left, right } = statement;
  if (right.kind !== "value") return undefined;
  if (left.kind === "raw") {
    return left.base === "ih" ? undefined : { ...left, base: layers[left.base] };
  }
  return left.kind === "payload" ? fieldOf(left.protocol, left.field) : undefined;
}
