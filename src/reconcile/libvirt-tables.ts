import type { Chain, Expression, Rule, Statement, Table } from "../nft/ast.ts";
import { passRuleComment } from "../nft/pass-rule.ts";
import { printTable } from "../nft/print.ts";
import { nftTable } from "./libvirt-backend.ts";

/** What another backend leaves of libvirt's nftables tables: those go that hold nothing but libvirt's own rules, by their shape. */
export function planNftRemoval(tables: readonly Table[]): {
  readonly script: string;
  /** Puts back what the script takes away. */
  readonly undo: string;
  readonly removed: readonly string[];
  readonly left: readonly string[];
} {
  const present = tables.filter(
    ({ family, name }) => (family === "ip" || family === "ip6") && name === nftTable,
  );
  const removed = present.filter((table) => table.chains.every(isLibvirtChain));
  const left = present.filter((table) => !removed.includes(table));
  const text = ({ family, name }: Table) => `${family} ${name}`;
  return {
    script: removed.map((table) => `delete table ${text(table)}\n`).join(""),
    undo: removed.map(printTable).join(""),
    removed: removed.map((table) => `table ${text(table)}`),
    left: left.map((table) => `table ${text(table)} holds rules that are not libvirt's`),
  };
}

function isLibvirtChain({ name, rules }: Chain): boolean {
  if (name === "forward") return rules.every((each) => isJump(each) || isPass(each));
  return ["guest_cross", "guest_input", "guest_output", "guest_nat"].includes(name)
    ? rules.every(isLibvirtRule)
    : false;
}

function isPass({ comment }: Rule): boolean {
  return comment === passRuleComment;
}

function isJump({ statements }: Rule): boolean {
  return statements.every(
    (one) => one.kind === "counter" || (one.kind === "jump" && one.chain.startsWith("guest_")),
  );
}

const ends: ReadonlySet<Statement["kind"]> = new Set([
  "accept",
  "reject",
  "return",
  "masquerade",
  "snat",
]);

/** Of a network, by its bridge or its prefix; never of one guest or one port. */
function isLibvirtRule({ statements }: Rule): boolean {
  const matches = statements.filter((one) => one.kind === "match");
  const rest = statements.filter((one) => one.kind !== "match" && one.kind !== "counter");
  return (
    matches.some(({ left }) => isNetworkField(left)) &&
    matches.every(({ left }) => isNetworkField(left) || isPlainField(left)) &&
    rest.length === 1 &&
    rest.every(({ kind }) => ends.has(kind))
  );
}

function isNetworkField(left: Expression): boolean {
  if (left.kind === "meta") return ["iif", "oif", "iifname", "oifname"].includes(left.key);
  return left.kind === "payload" && left.field === "saddr";
}

function isPlainField(left: Expression): boolean {
  if (left.kind === "payload") return left.field === "daddr";
  return left.kind === "meta" ? left.key === "l4proto" : left.kind === "ct" && left.key === "state";
}
