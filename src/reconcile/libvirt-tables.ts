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
  const removed = present.filter((table) =>
    table.chains.every((chain) => isLibvirtChain(chain, bridgesOf(table))),
  );
  const left = present.filter((table) => !removed.includes(table));
  const text = ({ family, name }: Table) => `${family} ${name}`;
  return {
    script: removed.map((table) => `delete table ${text(table)}\n`).join(""),
    undo: removed.map(printTable).join(""),
    removed: removed.map((table) => `table ${text(table)}`),
    left: left.map((table) => `table ${text(table)} holds rules that are not libvirt's`),
  };
}

type Name = string | number;

function isLibvirtChain({ name, rules }: Chain, bridges: ReadonlySet<Name>): boolean {
  if (name === "forward") return rules.every((each) => isJump(each) || isPass(each));
  const own = forms[name];
  return (
    own !== undefined &&
    rules.every((each) => own.some((form) => fits(each, form, bridges))) &&
    (name !== "guest_cross" || rules.every((each) => crossedBy(each).length === 1))
  );
}

function isPass({ comment }: Rule): boolean {
  return comment === passRuleComment;
}

function isJump({ statements }: Rule): boolean {
  return statements.every(
    (one) => one.kind === "counter" || (one.kind === "jump" && one.chain.startsWith("guest_")),
  );
}

interface Form {
  /** Each has to name the network: its bridge, or a prefix. */
  readonly network: readonly Field[];
  readonly needs?: readonly Field[];
  readonly may?: readonly Field[];
  readonly ends: readonly Statement["kind"][];
}

type Field = "iif" | "oif" | "saddr" | "daddr" | "l4proto" | "state";

/** The rules of libvirt 11.3, network_nftables.c, by chain. */
const forms: Readonly<Record<string, readonly Form[]>> = {
  guest_cross: [{ network: ["iif", "oif"], ends: ["accept"] }],
  guest_input: [
    { network: ["oif", "daddr"], may: ["iif", "state"], ends: ["accept"] },
    { network: ["oif"], ends: ["reject"] },
  ],
  guest_output: [
    { network: ["iif", "saddr"], may: ["oif"], ends: ["accept"] },
    { network: ["iif"], ends: ["reject"] },
  ],
  guest_nat: [
    { network: ["saddr"], needs: ["daddr"], may: ["oif"], ends: ["return"] },
    { network: ["saddr"], needs: ["daddr"], may: ["oif", "l4proto"], ends: ["masquerade", "snat"] },
  ],
};

/** Never of one guest or one port. */
function fits({ statements }: Rule, form: Form, bridges: ReadonlySet<Name>): boolean {
  const { network, needs = [], may = [], ends } = form;
  const matches = statements.filter((one) => one.kind === "match");
  const rest = statements.filter((one) => one.kind !== "match" && one.kind !== "counter");
  const fields = matches.map(({ left }) => fieldOf(left));
  const isOfNetwork = (field: Field) =>
    matches.some((one) => fieldOf(one.left) === field && isNetwork(one, bridges));
  return (
    rest.length === 1 &&
    rest.every(({ kind }) => ends.includes(kind)) &&
    network.every(isOfNetwork) &&
    needs.every((field) => fields.includes(field)) &&
    fields.every((field) => field && [...network, ...needs, ...may].includes(field))
  );
}

type Match = Extract<Statement, { kind: "match" }>;

function isNetwork({ op, left, right }: Match, bridges: ReadonlySet<Name>): boolean {
  if (op !== "==") return false;
  if (left.kind === "payload") return right.kind === "prefix";
  return right.kind === "value" && bridges.has(right.value);
}

/** Each network's guests may talk to each other, whatever its mode: that rule names its bridge twice. */
function bridgesOf({ chains }: Table): ReadonlySet<Name> {
  const cross = chains.find(({ name }) => name === "guest_cross")?.rules ?? [];
  return new Set(cross.flatMap(crossedBy));
}

function crossedBy({ statements }: Rule): readonly Name[] {
  const named = (field: Field) =>
    statements.flatMap((one) =>
      one.kind === "match" && fieldOf(one.left) === field && one.right.kind === "value"
        ? [one.right.value]
        : [],
    );
  return named("iif").filter((name) => named("oif").includes(name));
}

function fieldOf(left: Expression): Field | undefined {
  if (left.kind === "ct") return left.key === "state" ? "state" : undefined;
  if (left.kind === "payload") {
    return left.field === "saddr" || left.field === "daddr" ? left.field : undefined;
  }
  return left.kind === "meta" ? metaFields[left.key] : undefined;
}

const metaFields: Readonly<Record<string, Field>> = {
  iif: "iif",
  iifname: "iif",
  oif: "oif",
  oifname: "oif",
  l4proto: "l4proto",
};
