import type { Family } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Network } from "../model/inventory.ts";
import type { Chain, Expression, Rule, Statement, Table } from "../nft/ast.ts";
import {
  accept,
  ct,
  equal,
  flags,
  has,
  iifname,
  jump,
  masked,
  meta,
  oifname,
  payload,
  prefix,
  rule,
  value,
} from "../nft/build.ts";
import { passRuleComment } from "../nft/pass-rule.ts";

/** What libvirt's network driver writes its rules with. */
export type Backend = "nftables" | "iptables";

/** The table of its nftables backend, one a family. */
export const nftTable = "libvirt_network";
const xtChains: readonly string[] = [
  "LIBVIRT_FWX",
  "LIBVIRT_FWI",
  "LIBVIRT_FWO",
  "LIBVIRT_INP",
  "LIBVIRT_OUT",
];

/** The networks that libvirt makes rules for. */
export function ruledNetworks(
  networks: readonly Network[],
): readonly (Network & { readonly bridge: InterfaceName })[] {
  return networks.flatMap((network) => {
    const { bridge, forward } = network;
    const isRuled = forward === "nat" || forward === "route" || forward === "isolated";
    return isRuled && bridge !== undefined ? [{ ...network, bridge }] : [];
  });
}

/** The networks of which the rules of that backend do not speak, though they should. */
export function unruled(
  tables: readonly Table[],
  backend: Backend,
  networks: readonly Network[],
): readonly string[] {
  const chains = tables
    .filter(({ family }) => family === "ip")
    .flatMap((table) => table.chains.filter(({ name }) => isCross(backend, table.name, name)));
  const named = new Set(
    chains.flatMap(({ rules }) => rules).flatMap(({ statements }) => statements.flatMap(devicesOf)),
  );
  return ruledNetworks(networks)
    .filter(({ bridge }) => !named.has(bridge))
    .map(({ name }) => name);
}

/** Each network has a rule there, whatever its mode. */
function isCross(backend: Backend, table: string, chain: string): boolean {
  return backend === "nftables"
    ? table === nftTable && chain === "guest_cross"
    : table === "filter" && chain === "LIBVIRT_FWX";
}

function devicesOf(statement: Statement): readonly (string | number)[] {
  if (statement.kind !== "match" || statement.left.kind !== "meta") return [];
  return statement.right.kind === "value" ? [statement.right.value] : [];
}

export interface BackendWish {
  readonly backend: Backend;
  readonly networks: readonly Network[];
  /** The bit of which the daemon makes pass rules; absent where it makes none. */
  readonly mark?: number;
}

/**
 * All tables as they would be with libvirt's rules written by that backend (libvirt 11.3 network_nftables.c, network_iptables.c). What
 * libvirt does to sources stays as it is: both backends do the same.
 */
export function imagineBackend(tables: readonly Table[], wish: BackendWish): readonly Table[] {
  const add = wish.backend === "nftables" ? addNft : addXtables;
  return add(add(tables.map(withoutLibvirt), 4, wish), 6, wish);
}

function withoutLibvirt(table: Table): Table {
  const { family, name, chains } = table;
  if (family !== "ip" && family !== "ip6") return table;
  if (name === nftTable) {
    return { ...table, chains: chains.filter((chain) => chain.base?.type === "nat") };
  }
  if (name !== "filter") return table;
  const isOurs = ({ statements }: Rule) =>
    statements.some((one) => one.kind === "jump" && xtChains.includes(one.chain));
  const staying = chains.filter((chain) => !xtChains.includes(chain.name));
  return {
    ...table,
    chains: staying.map((chain) => ({
      ...chain,
      rules: chain.rules.filter((each) => !isOurs(each)),
    })),
  };
}

function addNft(tables: readonly Table[], family: Family, wish: BackendWish): readonly Table[] {
  const { cross, input, output } = rulesOf(family, wish.networks);
  if (cross.length === 0) return tables;
  const jumps = ["guest_cross", "guest_input", "guest_output"].map((chain) => rule(jump(chain)));
  const chains: readonly Chain[] = [
    {
      name: "forward",
      base: { type: "filter", hook: "forward", priority: 0, policy: "accept" },
      rules: [...passRules(wish), ...jumps],
    },
    { name: "guest_cross", rules: cross },
    { name: "guest_input", rules: input },
    { name: "guest_output", rules: output },
  ];
  return withChains(tables, { family, name: nftTable }, (former) => [...former, ...chains]);
}

function addXtables(tables: readonly Table[], family: Family, wish: BackendWish): readonly Table[] {
  const { cross, input, output } = rulesOf(family, wish.networks);
  if (cross.length === 0) return tables;
  const { toHost, fromHost } = servicesOf(family, wish.networks);
  const heads: Readonly<Record<string, readonly Rule[]>> = {
    INPUT: [rule(jump("LIBVIRT_INP"))],
    FORWARD: [
      ...passRules(wish),
      ...["LIBVIRT_FWX", "LIBVIRT_FWI", "LIBVIRT_FWO"].map((chain) => rule(jump(chain))),
    ],
    OUTPUT: [rule(jump("LIBVIRT_OUT"))],
  };
  const own: readonly Chain[] = [
    { name: "LIBVIRT_FWX", rules: cross },
    { name: "LIBVIRT_FWI", rules: input },
    { name: "LIBVIRT_FWO", rules: output },
    { name: "LIBVIRT_INP", rules: toHost },
    { name: "LIBVIRT_OUT", rules: fromHost },
  ];
  return withChains(tables, { family, name: "filter" }, (former) => {
    const built = Object.entries(heads).map(([name, head]) => {
      const chain = former.find((one) => one.name === name) ?? builtin(name);
      return { ...chain, rules: [...head, ...chain.rules] };
    });
    return [...former.filter(({ name }) => heads[name] === undefined), ...built, ...own];
  });
}

function builtin(name: string): Chain {
  const hook = name.toLowerCase() as "input" | "forward" | "output";
  return { name, base: { type: "filter", hook, priority: 0, policy: "accept" }, rules: [] };
}

function withChains(
  tables: readonly Table[],
  at: { readonly family: Family; readonly name: string },
  change: (chains: readonly Chain[]) => readonly Chain[],
): readonly Table[] {
  const family = at.family === 4 ? "ip" : "ip6";
  const present = tables.find((table) => table.family === family && table.name === at.name);
  const table = present ?? { family, name: at.name, sets: [], chains: [] };
  const others = tables.filter((other) => other !== present);
  return [...others, { ...table, chains: change(table.chains) }];
}

function passRules({ mark }: BackendWish): readonly Rule[] {
  if (mark === undefined) return [];
  const match = equal(masked(meta("mark"), value(mark)), value(mark));
  return [{ statements: [match, accept], comment: passRuleComment }];
}

interface ForwardRules {
  readonly cross: readonly Rule[];
  readonly input: readonly Rule[];
  readonly output: readonly Rule[];
}

const reject: Statement = { kind: "reject" };

function rulesOf(family: Family, networks: readonly Network[]): ForwardRules {
  const ruled = ruledNetworks(networks).filter((network) => hasFamily(network, family));
  return {
    cross: ruled.map(({ bridge }) =>
      rule(equal(iifname, value(bridge)), equal(oifname, value(bridge)), accept),
    ),
    input: ruled.flatMap((network) => [
      ...wayIn(network, family),
      rule(equal(oifname, value(network.bridge)), reject),
    ]),
    output: ruled.flatMap((network) => [
      ...wayOut(network, family),
      rule(equal(iifname, value(network.bridge)), reject),
    ]),
  };
}

type Ruled = ReturnType<typeof ruledNetworks>[number];

/** Rules for IPv4 always, for IPv6 where the network has a subnet of it. */
function hasFamily({ subnets }: Ruled, family: Family): boolean {
  return family === 4 || subnets.some(({ prefix: { family: own } }) => own === family);
}

function wayIn(network: Ruled, family: Family): readonly Rule[] {
  const isNat = network.forward === "nat" && (family === 4 || network.nat6);
  const [device] = network.forwardDevices ?? [];
  return subnetsOf(network, family).map((subnet) =>
    rule(
      ...(device === undefined ? [] : [equal(iifname, value(device))]),
      equal(oifname, value(network.bridge)),
      equal(payload(family === 4 ? "ip" : "ip6", "daddr"), subnet),
      ...(isNat ? [has(ct("state"), flags("established", "related"))] : []),
      accept,
    ),
  );
}

function wayOut(network: Ruled, family: Family): readonly Rule[] {
  const [device] = network.forwardDevices ?? [];
  return subnetsOf(network, family).map((subnet) =>
    rule(
      equal(payload(family === 4 ? "ip" : "ip6", "saddr"), subnet),
      equal(iifname, value(network.bridge)),
      ...(device === undefined ? [] : [equal(oifname, value(device))]),
      accept,
    ),
  );
}

function subnetsOf({ forward, subnets }: Ruled, family: Family): readonly Expression[] {
  if (forward === "isolated") return [];
  return subnets
    .filter((subnet) => subnet.prefix.family === family)
    .map((subnet) => prefix(subnet.prefix.address, subnet.prefix.length));
}

/** DHCP and DNS, which the nftables backend leaves to whoever guards the host. */
function servicesOf(
  family: Family,
  networks: readonly Network[],
): { readonly toHost: readonly Rule[]; readonly fromHost: readonly Rule[] } {
  const ruled = ruledNetworks(networks).filter((network) => hasFamily(network, family));
  const allow = (device: Expression, bridge: string, dhcp: number) =>
    [53, dhcp].flatMap((port) =>
      ["udp", "tcp"].map((protocol) =>
        rule(equal(device, value(bridge)), equal(payload(protocol, "dport"), value(port)), accept),
      ),
    );
  return {
    toHost: ruled.flatMap(({ bridge }) => allow(iifname, bridge, family === 4 ? 67 : 547)),
    fromHost: ruled.flatMap(({ bridge }) => allow(oifname, bridge, family === 4 ? 68 : 546)),
  };
}
