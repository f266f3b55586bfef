import type { Family } from "../base/address.ts";
import type { Intent } from "../model/intent.ts";
import type { Chain, Rule, Statement } from "../nft/ast.ts";
import {
  accept,
  anonymousSet,
  concat,
  ct,
  equal,
  flags,
  goto,
  has,
  iifname,
  l4proto,
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
import { admitRules } from "./lower-publications.ts";
import { families, ip } from "./matches.ts";
import { filterPriority } from "./names.ts";
import { addressOffers, essentials, essentialsFromHost, essentialsToHost } from "./on-link.ts";
import { pass, refuse } from "./verdicts.ts";

const pair = concat(iifname, oifname);
const isIn = (set: string) => equal(iifname, reference(set));
const isOut = (set: string) => equal(oifname, reference(set));
const established = has(ct("state"), flags("established", "related"));
/**
 * A TCP packet that continues what the kernel does not know. The kernel would take it for the first of a connection, and its sender
 * for the one who began it (nf_conntrack_tcp_loose), so a guest that goes on sending would revive what was cut.
 */
const isContinued: readonly Statement[] = [
  has(ct("state"), value("new")),
  notEqual(
    { kind: "&", left: payload("tcp", "flags"), right: flags("fin", "syn", "rst", "ack") },
    value("syn"),
  ),
];
const reset: readonly Statement[] = [{ kind: "counter" }, { kind: "reject", type: "tcp reset" }];
/** No network lets another one in, and a confined one meets nobody, unless `reach` names the pair. */
const unlessReach = notEqual(pair, reference("reach"));

/**
 * The chains that judge. A packet that is nobody's guest's leaves at the first rule without mark or verdict. Both ends of a new
 * connection are asked before it is accepted: an accept for the one end that comes before the other end's refusal is how libvirt
 * leaks from isolated networks (network_nftables.c: guest_input stands before guest_output).
 */
export function filterChains(intent: Intent): Chain[] {
  return [
    forward(intent),
    input(intent.hostInput !== undefined),
    output(),
    {
      name: "established",
      rules: [
        rule(isIn("judged"), goto("pass")),
        rule(isOut("judged"), goto("pass")),
        rule(has(ct("status"), value("dnat")), isIn("bridges"), goto("pass")),
        rule(has(ct("status"), value("dnat")), isOut("bridges"), goto("pass")),
        rule(isBridgedGuest(intent.mark), equal(pair, reference("bridged")), goto("pass")),
      ],
    },
    {
      name: "published",
      rules: [
        rule(isIn("isolated"), notEqual(pair, reference("same_bridge")), ...refuse),
        rule(goto("judge")),
      ],
    },
    {
      name: "same_network",
      rules: [rule(isIn("apart"), ...refuse), rule(goto("on_link"))],
    },
    {
      name: "on_link",
      rules: [...essentials(), ...egress(), ...addressOffers(), rule(goto("receive"))],
    },
    { name: "judge", rules: [...egress(), rule(goto("receive"))] },
    { name: "receive", rules: [...ingress(), rule(goto("pass"))] },
    { name: "pass", rules: [pass(intent.mark)] },
  ];
}

/** What comes by one bridge and leaves by it has only been shown to this chain (br_netfilter). */
const sentOn: Rule = {
  ...rule(notEqual(pair, reference("one_bridge")), ...refuse),
  comment: "firewall-vm: this host sends nothing on",
};

function forward({ mark, firewall }: Intent): Chain {
  return {
    name: "forward",
    base: { type: "filter", hook: "forward", priority: filterPriority, policy: "accept" },
    rules: [
      ...(firewall === undefined ? [] : [sentOn]),
      rule(established, goto("established")),
      rule(isBridgedGuest(mark), equal(pair, reference("bridged")), goto("on_link")),
      rule(
        notEqual(iifname, reference("bridges")),
        notEqual(oifname, reference("bridges")),
        accept,
      ),
      ...families.flatMap(sourceRules),
      ...admitRules(),
      rule(equal(pair, reference("same_bridge")), goto("same_network")),
      rule(isIn("closed"), ...isContinued, ...reset),
      rule(isOut("closed"), ...isContinued, ...reset),
      rule(isIn("judged"), isOut("bridges"), unlessReach, ...refuse),
      rule(isIn("bridges"), isOut("judged"), unlessReach, ...refuse),
      rule(isIn("isolated"), unlessReach, ...refuse),
      rule(isIn("confined"), unlessReach, ...refuse),
      rule(isOut("confined"), unlessReach, ...refuse),
      rule(isOut("closed"), unlessReach, ...refuse),
      rule(isIn("judged"), goto("judge")),
      rule(isOut("judged"), goto("judge")),
    ],
  };
}

/** Guests of judged networks bear their network's addresses, and nobody else does: groups are known by them. */
function sourceRules(family: Family): Rule[] {
  const source = payload(ip(family), "saddr");
  const isElsewhere = notEqual(concat(iifname, source), reference(`sources${family}`));
  return [
    rule(isIn("judged"), notEqual(pair, reference("same_bridge")), isElsewhere, ...refuse),
    rule(equal(source, reference(`subnets${family}`)), isElsewhere, ...refuse),
  ];
}

/** Guests reach the host's DHCP, DNS, TFTP and ICMP, what policy opens, and nothing else of it. */
function input(isHostJudged: boolean): Chain {
  const services = concat(iifname, l4proto, payload("th", "dport"));
  return {
    name: "input",
    base: { type: "filter", hook: "input", priority: filterPriority, policy: "accept" },
    rules: [
      rule(notEqual(iifname, reference("judged")), isHostJudged ? goto("host_input") : accept),
      rule(established, goto("pass")),
      ...essentialsToHost(),
      ...egress(),
      rule(equal(payload("udp", "dport"), anonymousSet(value(53), value(69))), goto("pass")),
      rule(equal(payload("tcp", "dport"), value(53)), goto("pass")),
      rule(equal(l4proto, anonymousSet(value("icmp"), value("ipv6-icmp"))), goto("pass")),
      rule(equal(services, reference("host_services")), goto("pass")),
      isHostJudged ? rule(goto("host_rules")) : rule(...refuse),
    ],
  };
}

/**
 * The host reaches its guests; their groups judge it like anybody else. A connection of its own to a publication was first routed
 * to `lo`, and `oifname` says so in this hook even after nat has sent it elsewhere (nf_hook_state is made before): such packets are
 * known by what nat did to them instead.
 */
function output(): Chain {
  return {
    name: "output",
    base: { type: "filter", hook: "output", priority: filterPriority, policy: "accept" },
    rules: [
      ...families.map((family) =>
        rule(
          established,
          has(ct("status"), value("dnat")),
          equal(payload(ip(family), "daddr"), reference(`published_guests${family}`)),
          goto("pass"),
        ),
      ),
      ...admitRules(),
      rule(notEqual(oifname, reference("bridges")), accept),
      rule(established, goto("established")),
      rule(notEqual(oifname, reference("judged")), accept),
      ...essentialsFromHost(),
      rule(goto("judge")),
    ],
  };
}

function egress(): Rule[] {
  return families.map((family) =>
    rule(vmap(concat(iifname, payload(ip(family), "saddr")), `egress${family}`)),
  );
}

/** Link-local addresses are not known: where any guest's ingress is judged, nothing new goes to one. */
function ingress(): Rule[] {
  return [
    rule(isOut("ingress_bridges"), equal(payload("ip6", "daddr"), prefix("fe80::", 10)), ...refuse),
    ...families.map((family) => rule(vmap(payload(ip(family), "daddr"), `ingress${family}`))),
  ];
}

/** On a bridge that is an uplink, only frames that the bridge table has marked are a guest's. */
const isBridgedGuest = (mark: number): Statement => ({
  kind: "match",
  op: "==",
  left: { kind: "&", left: meta("mark"), right: value(mark) },
  right: value(mark),
});
