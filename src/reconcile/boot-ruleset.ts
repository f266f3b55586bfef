import { defined } from "../base/defined.ts";
import { compile } from "../compile/compile.ts";
import type { Inventory } from "../model/inventory.ts";
import type { HostRule, Policy, Service } from "../model/policy.ts";
import type { Table } from "../nft/ast.ts";
import type { Desired } from "./decide.ts";
import { planTables } from "./plan-tables.ts";

/**
 * What holds from before any network until the guests are known: the same policy, with no guest and no tap that anybody vouches for.
 * One transaction, for tables that are empty or not there.
 */
export function bootScript({ policy, inventory }: Pick<Desired, "policy" | "inventory">): string {
  // What the policy says of guests is left out too: nothing follows from it, and what was made of it is remembered by the last question.
  const unpeopled = { ...policy, guests: new Map() };
  return scriptOf(compile(unpeopled, withoutGuests(inventory)).tables);
}

/** Two inventories with the same key, and the same policy, have the same script: no guest and no tap is in it. */
export function bootKeyOf({ inventory }: Pick<Desired, "inventory">): string {
  return JSON.stringify(withoutGuests(inventory));
}

function withoutGuests({ networks, host }: Inventory): Inventory {
  const interfaces = host.interfaces.filter(({ kind }) => kind !== "tun" && kind !== "macvtap");
  return { networks, guests: [], leases: [], host: { ...host, interfaces } };
}

/**
 * Where that cannot be had: no guest passes anything, and of `host.input` the failsafe services are left, for those whom the policy
 * lets in; or for everybody, where it is not known whom.
 */
export function closedScript({ host, ...policy }: Policy, forWhom?: "everybody"): string {
  const { failsafe, at } = host;
  const everybody = { verdict: "allow", services: failsafe, peers: [], on: [], log: false, at };
  const input = forWhom ? [everybody as HostRule] : host.input?.flatMap(narrowed(failsafe));
  const inventory = { networks: [], guests: [], leases: [], host: { interfaces: [] } };
  const closed = { ...policy, host: { ...host, ...defined({ input }) } };
  return scriptOf(compile(closed, inventory).tables);
}

/** What is denied stays denied, and an `allow` keeps what opens something of the failsafe services. */
function narrowed(failsafe: readonly Service[]): (rule: HostRule) => HostRule[] {
  return (rule) => {
    if (rule.verdict === "deny") return [rule];
    const services = rule.services.filter((service) => failsafe.some((s) => overlap(s, service)));
    return services.length === 0 ? [] : [{ ...rule, services }];
  };
}

function overlap(a: Service, b: Service): boolean {
  if (a.kind === "any" || b.kind === "any") return true;
  if (a.protocol !== b.protocol) return false;
  if (a.kind === "protocol" || b.kind === "protocol") return true;
  return a.ports.first <= b.ports.last && b.ports.first <= a.ports.last;
}

/** A gate has made the tables already, and leaves these lines out. */
function scriptOf(tables: readonly Table[]): string {
  const empty = tables.map((table) => ({ ...table, sets: [], chains: [] }));
  const lines = tables.map(({ family, name }) => `add table ${family} ${name}\n`);
  return lines.join("") + planTables(empty, tables).script;
}
