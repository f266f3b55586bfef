import type { Rule, Statement } from "../nft/ast.ts";
import { anonymousSet, concat, equal, goto, payload, rule, value } from "../nft/build.ts";
import { refuse } from "./verdicts.ts";

/** What hosts on one link must say to each other, whatever the groups of a guest allow. */

const toPort = (port: number) => equal(payload("udp", "dport"), value(port));
const fromPort = (port: number) => equal(payload("udp", "sport"), value(port));
const icmpv6Type = (...types: readonly string[]): Statement =>
  equal(payload("icmpv6", "type"), anonymousSet(...types.map(value)));

/** Neighbour discovery and multicast listening, less what only routers say. */
export const neighbourDiscovery = icmpv6Type(
  "mld-listener-query",
  "mld-listener-report",
  "mld-listener-done",
  "nd-router-solicit",
  "nd-neighbor-solicit",
  "nd-neighbor-advert",
  "mld2-listener-report",
);

/** To hosts, of the way to the world. */
export const whatRoutersSay = icmpv6Type("nd-router-advert", "nd-redirect");

/**
 * Between guests. A client asks for an address by broadcast only, so that nobody has a tunnel in these ports; a lease that could not
 * be renewed is asked for anew.
 */
export function essentials(): Rule[] {
  return [
    rule(neighbourDiscovery, goto("pass")),
    rule(
      equal(payload("ip", "daddr"), value("255.255.255.255")),
      fromPort(68),
      toPort(67),
      goto("pass"),
    ),
    rule(
      equal(payload("ip6", "daddr"), value("ff02::1:2")),
      fromPort(546),
      toPort(547),
      goto("pass"),
    ),
  ];
}

/** What a server on the link answers; its own egress has been judged before. */
export function addressOffers(): Rule[] {
  return [dhcp([67, 68], [547, 546])];
}

/** From guests to the host, which is their DHCP server and their router: nobody else routes here. */
export function essentialsToHost(): Rule[] {
  return [
    rule(whatRoutersSay, ...refuse),
    rule(equal(payload("icmp", "type"), value("redirect")), ...refuse),
    rule(neighbourDiscovery, goto("pass")),
    dhcp([68, 67], [546, 547]),
  ];
}

export function essentialsFromHost(): Rule[] {
  return [
    rule(neighbourDiscovery, goto("pass")),
    rule(equal(payload("icmpv6", "type"), value("nd-router-advert")), goto("pass")),
    ...addressOffers(),
  ];
}

function dhcp(...pairs: readonly (readonly [number, number])[]): Rule {
  const keys = pairs.map(([source, destination]) => concat(value(source), value(destination)));
  const ports = concat(payload("udp", "sport"), payload("udp", "dport"));
  return rule(equal(ports, anonymousSet(...keys)), goto("pass"));
}
