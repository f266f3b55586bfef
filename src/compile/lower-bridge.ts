import { familyOf, type Family } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Intent } from "../model/intent.ts";
import type { Chain, Expression, Rule, SetDefinition, Table } from "../nft/ast.ts";
import {
  accept,
  anonymousSet,
  concat,
  drop,
  equal,
  goto,
  iifname,
  jump,
  leave,
  meta,
  notEqual,
  oifname,
  payload,
  prefix,
  reference,
  rule,
  value,
  vmap,
} from "../nft/build.ts";
import { addressType, defineGatheredSet, defineSet, interfaceSet } from "./define-set.ts";
import { gathered } from "./gathered.ts";
import { behindFirewall, firewallSets, toBehindFirewall } from "./lower-firewall-guests.ts";
import type { Lowered } from "./lower-filters.ts";
import { guardedNics, limitedNics } from "./lower-groups.ts";

import { publishedGuests } from "./lower-publications.ts";
import { families, ip, keyed } from "./matches.ts";
import { tableName } from "./names.ts";
import { neighbourDiscovery } from "./on-link.ts";
import { pass, refuse } from "./verdicts.ts";

/** Bridge family's own numbers (linux/netfilter_bridge.h): NF_BR_PRI_NAT_DST_BRIDGED, NF_BR_PRI_FILTER_BRIDGED, NF_BR_PRI_NAT_SRC. */
const bridgePriority = { prerouting: -300, forward: -205, postrouting: 300 };

/**
 * What is settled per port of a bridge, before any address is believed: taps nobody vouches for pass nothing, guests of an
 * `isolate` network do not reach each other, and guests that are judged by address use no other one.
 */
export function bridgeTable(intent: Intent, filters: Lowered): Table {
  const taps = intent.nics.flatMap(({ tap }) => tap ?? []);
  const apart = new Set(intent.networks.filter((n) => n.isolate).map(({ bridge }) => bridge));
  const apartTaps = intent.nics.flatMap(({ tap, bridge }) =>
    tap !== undefined && bridge !== undefined && apart.has(bridge) ? [tap] : [],
  );
  return {
    family: "bridge",
    name: tableName,
    sets: [
      defineGatheredSet("taps", { type: ["ifname"] }, tapElements(taps)),
      interfaceSet("foreign_taps", intent.foreignTaps),
      interfaceSet("apart", apartTaps),
      interfaceSet(
        "guarded",
        guardedNics(intent).flatMap(({ tap }) => tap ?? []),
      ),
      interfaceSet(
        "limited",
        limitedNics(intent).flatMap(({ tap }) => tap ?? []),
      ),
      ...families.map((family) => guardedAddresses(intent, family)),
      defineGatheredSet("same_port", { type: ["ifname", "ifname"] }, samePortElements(taps)),
      ...families.map((family) => publishedGuests(intent, family)),
      ...firewallSets(intent),
      ...filters.sets,
    ],
    chains: [
      prerouting(intent),
      ...behindFirewall(intent),
      guard(),
      forward(),
      postrouting(),
      hairpin(),
      { name: "pass", rules: [pass(intent.mark)] },
      ...filters.chains,
    ],
  };
}

const tapElements = gathered((tap: InterfaceName) => [keyed({ key: value(tap) })]);
const samePortElements = gathered((tap: InterfaceName) => [
  keyed({ key: concat(value(tap), value(tap)) }),
]);

function guardedAddresses(intent: Intent, family: Family): SetDefinition {
  const elements = guardedNics(intent).flatMap(({ tap, addresses }) =>
    tap === undefined
      ? []
      : addresses
          .filter(({ address }) => familyOf(address) === family)
          .map(({ address }) => ({ key: concat(value(tap), value(address)) })),
  );
  return defineSet(`guarded${family}`, { type: ["ifname", addressType(family)] }, elements);
}

/** Taps are known by their kind, whatever their name (`tun` is what the kernel's tun driver registers); `vnet` is libvirt's prefix. */
function prerouting(intent: Intent): Chain {
  return {
    name: "prerouting",
    base: {
      type: "filter",
      hook: "prerouting",
      priority: bridgePriority.prerouting,
      policy: "accept",
    },
    rules: [
      ...toBehindFirewall(intent),
      rule(equal(iifname, reference("guarded")), jump("guard")),
      rule(vmap(iifname, "filter_from")),
      ...knownTaps(iifname, meta("iifkind")),
    ],
  };
}

/** What nobody vouches for hears nothing either. */
function postrouting(): Chain {
  return {
    name: "postrouting",
    base: {
      type: "filter",
      hook: "postrouting",
      priority: bridgePriority.postrouting,
      policy: "accept",
    },
    rules: [rule(vmap(oifname, "filter_to")), ...knownTaps(oifname, meta("oifkind"))],
  };
}

function knownTaps(name: Expression, kind: Expression): Rule[] {
  return [
    rule(equal(name, reference("taps")), accept),
    rule(equal(name, reference("foreign_taps")), accept),
    rule(equal(kind, value("tun")), ...refuse),
    rule(equal(name, value("vnet*")), ...refuse),
  ];
}

/** Frames of guests bear the verdict already here, for filters on the bridge and for those of IP that br_netfilter asks next. */
function forward(): Chain {
  return {
    name: "forward",
    base: { type: "filter", hook: "forward", priority: bridgePriority.forward, policy: "accept" },
    rules: [
      rule(equal(concat(iifname, oifname), reference("same_port")), goto("hairpin")),
      rule(equal(iifname, reference("apart")), equal(oifname, reference("apart")), ...refuse),
      rule(equal(iifname, reference("taps")), goto("pass")),
      rule(equal(oifname, reference("taps")), goto("pass")),
    ],
  };
}

/**
 * A port in hairpin mode sends frames back to where they came from. That is wanted for what br_netfilter has led from a guest to its
 * own publication, and for nothing else: a guest must not hear its own broadcasts.
 */
function hairpin(): Chain {
  return {
    name: "hairpin",
    rules: [
      ...families.map((family) =>
        rule(
          equal(payload(ip(family), "daddr"), reference(`published_guests${family}`)),
          goto("pass"),
        ),
      ),
      rule(drop),
    ],
  };
}

/** After a migration QEMU tells the switches by it, in the guest's name, behind which port the guest is now (net/announce.c). */
const reverseArp = 0x8035;

const linkLocal = prefix("fe80::", 10);

/**
 * A guest without an address yet may ask for one (DHCP, duplicate address detection). Link-local addresses are nobody's by name, so
 * guests whose egress is judged use them for neighbour discovery and DHCP alone.
 */
function guard(): Chain {
  const source = (protocol: string, field: string) => concat(iifname, payload(protocol, field));
  const rules: Rule[] = [
    rule(equal(payload("ether", "type"), value(reverseArp)), leave),
    rule(
      notEqual(payload("ether", "type"), anonymousSet(value("ip"), value("arp"), value("ip6"))),
      ...refuse,
    ),
    rule(equal(payload("arp", "saddr ip"), value("0.0.0.0")), leave),
    rule(notEqual(source("arp", "saddr ip"), reference("guarded4")), ...refuse),
    rule(
      equal(payload("ip", "saddr"), value("0.0.0.0")),
      equal(payload("udp", "dport"), value(67)),
      leave,
    ),
    rule(notEqual(source("ip", "saddr"), reference("guarded4")), ...refuse),
    rule(
      equal(payload("ip6", "saddr"), anonymousSet(value("::"), linkLocal)),
      neighbourDiscovery,
      leave,
    ),
    rule(
      equal(payload("ip6", "saddr"), linkLocal),
      equal(payload("udp", "dport"), value(547)),
      leave,
    ),
    rule(equal(payload("ip6", "saddr"), linkLocal), notEqual(iifname, reference("limited")), leave),
    rule(notEqual(source("ip6", "saddr"), reference("guarded6")), ...refuse),
  ];
  return { name: "guard", rules };
}
