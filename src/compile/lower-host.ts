import type { Family } from "../base/address.ts";
import type { HostRuleIntent, Intent } from "../model/intent.ts";
import type { Chain, Rule, Statement } from "../nft/ast.ts";
import {
  accept,
  anonymousSet,
  concat,
  ct,
  drop,
  equal,
  flags,
  goto,
  has,
  iifname,
  l4proto,
  notEqual,
  payload,
  prefix,
  reference,
  rule,
  value,
} from "../nft/build.ts";
import { lowerRule } from "./lower-rule.ts";
import { families, ip, oneOf } from "./matches.ts";
import { neighbourDiscovery } from "./on-link.ts";
import { refuse } from "./verdicts.ts";

/**
 * What may reach the hypervisor itself, where policy has `host.input`. `host_input` holds what a host cannot live without, and leads
 * to `host_rules`, where packets of guests come too. No mark is set: another firewall of the host judges what is accepted here.
 */
export function hostChains({ hostInput, aliases, firewall }: Intent): Chain[] {
  if (hostInput === undefined) return [];
  const lower = (verdict: "allow" | "deny") =>
    hostInput.flatMap((origin, index) =>
      origin.rule.verdict === verdict ? lowerHostRule(origin, index + 1, aliases) : [],
    );
  return [
    { name: "host_input", rules: [...vital, rule(goto("host_rules"))] },
    {
      name: "host_rules",
      rules: [
        ...families.flatMap((family) => forged(family, firewall !== undefined)),
        ...lower("deny"),
        ...lower("allow"),
        rule(...refuse),
      ],
    },
  ];
}

/**
 * Rules go by who sends, so nobody may pretend: guests bear their network's addresses, and nobody else does. Link-local ones are
 * nobody's to name in a rule and everybody's to have. A firewall guest leads others to the host, under their own addresses too.
 */
function forged(family: Family, hasFirewall: boolean): Rule[] {
  const source = payload(ip(family), "saddr");
  const isElsewhere = [
    notEqual(concat(iifname, source), reference(`sources${family}`)),
    ...(hasFirewall ? [isNoFirewall] : []),
  ];
  const isGlobal = family === 6 ? [notEqual(source, prefix("fe80::", 10))] : [];
  return [
    rule(equal(iifname, reference("bridges")), ...isGlobal, ...isElsewhere, ...refuse),
    rule(equal(source, reference(`subnets${family}`)), ...isElsewhere, ...refuse),
  ];
}

const isNoFirewall = notEqual(
  concat(iifname, payload("ether", "saddr")),
  reference("firewall_nics"),
);

function lowerHostRule(
  { rule: written, interfaces }: HostRuleIntent,
  position: number,
  aliases: Intent["aliases"],
): Rule[] {
  if (interfaces?.length === 0) return [];
  const came: Statement[] = interfaces ? [equal(iifname, oneOf(interfaces.map(value)))] : [];
  const rules = lowerRule(written, aliases, {
    end: "saddr",
    verdict: written.verdict === "deny" ? drop : accept,
    logPrefix: `virtwall host input ${written.verdict} `,
    comment: `host input ${position}`,
  });
  return rules.map((each) => ({ ...each, statements: [...came, ...each.statements] }));
}

const udp = (source: number, destination: number): readonly Statement[] => [
  equal(payload("udp", "sport"), value(source)),
  equal(payload("udp", "dport"), value(destination)),
];
const typeIn = (protocol: "icmp" | "icmpv6", ...types: readonly string[]): Statement =>
  equal(payload(protocol, "type"), anonymousSet(...types.map(value)));

/**
 * Itself, what it began, and what tells it where it is: errors of ICMP (RFC 4890 4.3.1), neighbours and routers, who listens to which
 * multicast, and answers of DHCP servers, which no connection tracking ties to the broadcast that asked.
 */
const vital: readonly Rule[] = [
  rule(equal(iifname, value("lo")), accept),
  rule(has(ct("state"), flags("established", "related")), accept),
  rule(typeIn("icmp", "destination-unreachable", "time-exceeded", "parameter-problem"), accept),
  rule(
    typeIn(
      "icmpv6",
      "destination-unreachable",
      "packet-too-big",
      "time-exceeded",
      "parameter-problem",
    ),
    accept,
  ),
  rule(neighbourDiscovery, accept),
  rule(equal(payload("icmpv6", "type"), value("nd-router-advert")), accept),
  rule(equal(l4proto, value("igmp")), accept),
  rule(...udp(67, 68), accept),
  rule(equal(payload("ip6", "saddr"), prefix("fe80::", 10)), ...udp(547, 546), accept),
];
