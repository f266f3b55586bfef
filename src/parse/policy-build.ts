import { defined } from "../base/defined.ts";
import { parseMacWord, type Unplaced } from "./words.ts";
import { keyPlace, walk } from "./tree.ts";
import type { Mac } from "../base/mac.ts";
import type {
  Group,
  GroupRule,
  GuestPolicy,
  HostPolicy,
  HostRule,
  Limit,
  NameRef,
  NatPolicy,
  NetworkPolicy,
  NicPolicy,
  Peer,
  Policy,
  PublicationPolicy,
  Service,
} from "../model/policy.ts";
import type { Place } from "../model/problem.ts";
import type { PolicyData } from "./policy-schema.ts";
import type { MapEntry, Tree, TreePath } from "./tree.ts";

const defaultMark = 0x10000000;
const ssh: Service = { kind: "ports", protocol: "tcp", ports: { first: 22, last: 22 } };

type Data<Section extends keyof PolicyData> = NonNullable<
  NonNullable<PolicyData[Section]>[keyof NonNullable<PolicyData[Section]>]
>;
type OneOrMany<Item> = Item | readonly Item[];
type RuleData = {
  allow?: OneOrMany<Service> | undefined;
  deny?: OneOrMany<Service> | undefined;
  from?: OneOrMany<Unplaced<Peer>> | undefined;
  to?: OneOrMany<Unplaced<Peer>> | undefined;
  log?: boolean | undefined;
  limit?: Limit | undefined;
};

/** Data that the schema has taken becomes a policy; the tree it was made of tells the places. */
export function buildPolicy(data: PolicyData, tree: Tree): Policy {
  const from = new Builder(tree);
  return {
    host: from.host(data.host ?? {}),
    aliases: from.named("aliases", data.aliases, (members, path) => ({
      name: String(path[1]),
      members: listOf(members),
      at: from.keyAt(path),
    })),
    groups: from.named("groups", data.groups, (group, path) => from.group(group ?? {}, path)),
    networks: from.named("networks", data.networks, (network, path) =>
      from.network(network ?? {}, path),
    ),
    guests: from.named("guests", data.guests, (guest, path) => from.guest(guest ?? {}, path)),
  };
}

/** The policy of one guest alone. */
export function buildGuest(
  data: Data<"guests"> | null | undefined,
  name: string,
  entry: MapEntry,
): GuestPolicy {
  const { at } = entry.value;
  const guests: Tree = { kind: "map", at, entries: new Map([[name, entry]]) };
  const whole = new Map([["guests", { keyAt: at, value: guests }]]);
  return new Builder({ kind: "map", at, entries: whole }).guest(data ?? {}, ["guests", name]);
}

class Builder {
  private readonly tree: Tree;

  constructor(tree: Tree) {
    this.tree = tree;
  }

  host(data: NonNullable<PolicyData["host"]>): HostPolicy {
    const path = ["host"];
    return {
      integration: data.integration ?? "auto",
      mark: data.mark === undefined ? defaultMark : Number(data.mark),
      failsafe: listOf(data.failsafe ?? ssh),
      topology: data.topology ?? "host",
      ...defined({ uplinks: data.uplinks && listOf(data.uplinks) }),
      ...defined({ input: data.input && this.hostRules(data.input, [...path, "input"]) }),
      ...defined({ firewallVm: this.firewallVm(data.firewallVm) }),
      at: this.keyAt(path),
      keysAt: this.keysAt(data, path),
    };
  }

  group(data: Data<"groups">, path: TreePath): Group {
    return {
      name: String(path[1]),
      ingress: this.rules(data.ingress ?? [], [...path, "ingress"]),
      egress: this.rules(data.egress ?? [], [...path, "egress"]),
      at: this.keyAt(path),
    };
  }

  network(data: Data<"networks">, path: TreePath): NetworkPolicy {
    return {
      name: String(path[1]),
      isolate: data.isolate ?? false,
      reach: this.names(data.reach, [...path, "reach"]),
      services: listOf(data.services ?? []),
      ...defined({ mode: data.mode }),
      ...defined({ nat: data.nat ? this.nat(data.nat, [...path, "nat"]) : undefined }),
      at: this.keyAt(path),
    };
  }

  guest(data: Data<"guests">, path: TreePath): GuestPolicy {
    return {
      name: String(path[1]),
      publish: (data.publish ?? []).map((entry, index) =>
        this.publication(entry, [...path, "publish", index]),
      ),
      groups: this.names(data.groups ?? undefined, [...path, "groups"]),
      nics: this.nics(data.nics ?? {}, [...path, "nics"]),
      required: data.required ?? false,
      ...defined({ filter: this.name(data.filter, [...path, "filter"]) }),
      at: this.keyAt(path),
      keysAt: this.keysAt(data, path),
    };
  }

  named<In, Out>(
    section: string,
    data: Readonly<Record<string, In>> | null | undefined,
    build: (value: In, path: TreePath) => Out,
  ): ReadonlyMap<string, Out> {
    return new Map(
      Object.entries(data ?? {}).map(([name, value]) => [name, build(value, [section, name])]),
    );
  }

  keyAt(path: TreePath): Place {
    return keyPlace(this.tree, path);
  }

  private keysAt(data: object, path: TreePath): ReadonlyMap<string, Place> {
    return new Map(Object.keys(data).map((key) => [key, this.keyAt([...path, key])]));
  }

  private nics(
    data: NonNullable<Data<"guests">["nics"]>,
    path: TreePath,
  ): ReadonlyMap<Mac, NicPolicy> {
    const nics = new Map<Mac, NicPolicy>();
    for (const [key, value] of Object.entries(data)) {
      const mac = parseMacWord(key);
      if (!mac.ok) continue;
      const here = [...path, key];
      nics.set(mac.value, {
        mac: mac.value,
        addresses: listOf(value?.address ?? []),
        parameters: new Map(
          Object.entries(value?.parameters ?? {}).map(([name, values]) => [name, [values].flat()]),
        ),
        parametersAt: this.keysAt(value?.parameters ?? {}, [...here, "parameters"]),
        ...defined({ filter: this.name(value?.filter, [...here, "filter"]) }),
        at: this.keyAt(here),
        keysAt: this.keysAt(value ?? {}, here),
      });
    }
    return nics;
  }

  private rules(data: readonly RuleData[], path: TreePath): GroupRule[] {
    return data.map((rule, index) => {
      const here = [...path, index];
      const verdict = rule.allow === undefined ? "deny" : "allow";
      const side = rule.from === undefined ? "to" : "from";
      return {
        verdict,
        services: listOf(rule[verdict] ?? []),
        peers: this.placed(rule[side], [...here, side]),
        log: rule.log ?? false,
        ...defined({ limit: rule.limit }),
        at: walk(this.tree, here).tree.at,
      };
    });
  }

  private hostRules(
    data: readonly (RuleData & { on?: OneOrMany<string> | undefined })[],
    path: TreePath,
  ): HostRule[] {
    return this.rules(data, path).map((rule, index) => ({
      ...rule,
      on: this.names(data[index]?.on, [...path, index, "on"]),
    }));
  }

  private publication(
    data: NonNullable<Data<"guests">["publish"]>[number],
    path: TreePath,
  ): PublicationPolicy {
    return {
      ports: this.placed(data.ports, [...path, "ports"]),
      from: this.placed(data.from, [...path, "from"]),
      ...defined({ address: data.address }),
      at: walk(this.tree, path).tree.at,
    };
  }

  private nat(data: NonNullable<Data<"networks">["nat"]>, path: TreePath): NatPolicy {
    return {
      ...defined({ addresses: data.address, ports: data.ports, ipv6: data.ipv6 }),
      at: this.keyAt(path),
    };
  }

  private firewallVm(
    data: NonNullable<PolicyData["host"]>["firewallVm"],
  ): HostPolicy["firewallVm"] {
    if (data === undefined) return undefined;
    const { guest, wan, macs = [] } = data;
    return { guests: [...new Set(listOf(guest))], wan, macs: [...new Set(listOf(macs))] };
  }

  private names(names: OneOrMany<string> | undefined, path: TreePath): NameRef[] {
    if (names === undefined) return [];
    return this.placed(isMany(names) ? names.map((name) => ({ name })) : { name: names }, path);
  }

  private name(name: string | undefined, path: TreePath): NameRef | undefined {
    return this.names(name, path)[0];
  }

  /** The things of a list, or the one in the place of a list, and where each stands. */
  private placed<Thing extends object>(
    things: OneOrMany<Thing> | undefined,
    path: TreePath,
  ): (Thing & { readonly at: Place })[] {
    const at = (...step: number[]): Place => walk(this.tree, [...path, ...step]).tree.at;
    if (things === undefined) return [];
    if (!isMany(things)) return [{ ...things, at: at() }];
    return things.map((thing, index) => ({ ...thing, at: at(index) }));
  }
}

function listOf<Item>(items: OneOrMany<Item>): readonly Item[] {
  return isMany(items) ? items : [items];
}

function isMany<Item>(items: OneOrMany<Item>): items is readonly Item[] {
  return Array.isArray(items);
}
