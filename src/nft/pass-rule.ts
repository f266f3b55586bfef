import type { TableFamily } from "./ast.ts";

/** The comment of every rule that virtwall puts into a table of somebody else, and of no other rule. */
export const passRuleComment = "virtwall";

/** The statements of a pass rule, as nft lists them (1.0.6 to 1.1.3). `mark` has exactly one bit set. */
export function passRuleText(mark: number): string {
  const bits = `0x${mark.toString(16).padStart(8, "0")}`;
  return `meta mark & ${bits} == ${bits} accept comment "${passRuleComment}"`;
}

export interface ChainAddress {
  readonly family: TableFamily;
  readonly table: string;
  readonly chain: string;
}

export function insertPassRule(at: ChainAddress, mark: number): string {
  return `insert rule ${addressText(at)} ${passRuleText(mark)}`;
}

export function deleteRule(at: ChainAddress, handle: number): string {
  return `delete rule ${addressText(at)} handle ${handle}`;
}

/**
 * A table or chain made over netlink may bear any bytes; nft 1.0.6 takes unquoted names of this alphabet only, and a name
 * outside of it could end the command it stands in.
 */
export function canBeNamed(at: ChainAddress): boolean {
  return [at.table, at.chain].every((name) => /^[A-Za-z_][A-Za-z0-9_./-]*$/.test(name));
}

function addressText(at: ChainAddress): string {
  return `${at.family} ${at.table} ${at.chain}`;
}
