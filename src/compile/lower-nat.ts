import type { Family } from "../base/address.ts";
import type { Intent, NatIntent, NetworkIntent } from "../model/intent.ts";
import type { Chain, Expression, Rule, Statement } from "../nft/ast.ts";
import {
  anonymousSet,
  concat,
  ct,
  equal,
  has,
  iifname,
  l4proto,
  notEqual,
  oifname,
  payload,
  range,
  reference,
  rule,
  value,
} from "../nft/build.ts";
import { dnatRules } from "./lower-publications.ts";
import { distinctPrefixes, families, ip, portExpression, prefixExpression } from "./matches.ts";
import { dstnatPriority, srcnatPriority } from "./names.ts";

const masqueradePorts = { first: 1024, last: 65535 };

/** Plain masquerading: such networks are elements of a set; only others need rules of their own. */
export function isDefaultNat(network: NetworkIntent, family: Family): boolean {
  const nat = natOf(network, family);
  return nat !== undefined && nat.addresses === undefined && hasDefaultPorts(nat);
}

function hasDefaultPorts({ ports }: NatIntent): boolean {
  return ports.first === masqueradePorts.first && ports.last === masqueradePorts.last;
}

function natOf(network: NetworkIntent, family: Family): NatIntent | undefined {
  return family === 4 ? network.nat4 : network.nat6;
}

export function natChains(intent: Intent): Chain[] {
  return [
    {
      name: "nat_prerouting",
      base: { type: "nat", hook: "prerouting", priority: dstnatPriority, policy: "accept" },
      rules: dnatRules(),
    },
    {
      name: "nat_output",
      base: { type: "nat", hook: "output", priority: dstnatPriority, policy: "accept" },
      rules: dnatRules(),
    },
    {
      name: "nat_postrouting",
      base: { type: "nat", hook: "postrouting", priority: srcnatPriority, policy: "accept" },
      rules: [...hairpin(), ...families.flatMap((family) => sourceRules(intent, family))],
    },
  ];
}

/**
 * A guest that reaches its own network through a publication would get the answer past us, from an address it never asked. With
 * br_netfilter such a packet is bridged and bears no input interface here (br_nf_post_routing); a neighbour's answer comes back
 * through connection tracking then, and only a guest that reaches itself is left to rewrite.
 */
function hairpin(): Rule[] {
  const rewritten = has(ct("status"), value("dnat"));
  return [
    rule(rewritten, equal(concat(iifname, oifname), reference("same_bridge")), {
      kind: "masquerade",
    }),
    ...families.map((family) =>
      rule(
        rewritten,
        equal(
          concat(payload(ip(family), "saddr"), payload(ip(family), "daddr")),
          reference(`published_self${family}`),
        ),
        { kind: "masquerade" },
      ),
    ),
  ];
}

function sourceRules(intent: Intent, family: Family): Rule[] {
  const own = intent.networks
    .filter((network) => natOf(network, family) !== undefined && !isDefaultNat(network, family))
    .flatMap((network) => ownSourceRules(network, family));
  const shared = [
    equal(concat(iifname, payload(ip(family), "saddr")), reference(`nat${family}`)),
    leavesGuestNetworks,
  ];
  return [
    ...own,
    rule(...shared, withPorts, { kind: "masquerade", port: portExpression(masqueradePorts) }),
    rule(...shared, { kind: "masquerade" }),
  ];
}

/** Between guest networks the real source is kept: the way back leads through us anyway. */
const leavesGuestNetworks = notEqual(oifname, reference("bridges"));

const withPorts = equal(l4proto, anonymousSet(value("tcp"), value("udp")));

function ownSourceRules(network: NetworkIntent, family: Family): Rule[] {
  const nat = natOf(network, family);
  if (nat === undefined) return [];
  return distinctPrefixes(network.subnets.filter((s) => s.family === family)).flatMap((subnet) => {
    const source = [
      equal(iifname, value(network.bridge)),
      equal(payload(ip(family), "saddr"), prefixExpression(subnet)),
      leavesGuestNetworks,
    ];
    return [
      rule(...source, withPorts, translate(nat, family, portExpression(nat.ports))),
      rule(...source, translate(nat, family)),
    ];
  });
}

function translate(nat: NatIntent, family: Family, port?: Expression): Statement {
  const withPort = port === undefined ? {} : { port };
  if (nat.addresses === undefined) return { kind: "masquerade", ...withPort };
  const { first, last } = nat.addresses;
  const address = first === last ? value(first) : range(first, last);
  return { kind: "snat", family: ip(family), address, ...withPort };
}
