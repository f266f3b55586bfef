import { familyOf, type Family } from "../base/address.ts";
import type { FirewallIntent, Intent, NicIntent } from "../model/intent.ts";
import type { Chain, Rule, SetDefinition } from "../nft/ast.ts";
import {
  equal,
  iifname,
  jump,
  l4proto,
  payload,
  raw,
  reference,
  rule,
  value,
} from "../nft/build.ts";
import { addressType, defineSet, interfaceSet } from "./define-set.ts";
import { vouchedOf } from "./lower-learning.ts";
import { families, ip } from "./matches.ts";
import { whatRoutersSay } from "./on-link.ts";
import { refuse } from "./verdicts.ts";

/*
 * Where a guest forwards in this host's place, its neighbours' way to the world, and what the host's input believes of who sends, go by
 * its MAC addresses, by its addresses, and by what it says as their router. No other guest may bear the one or say the other.
 */

/** The taps of their neighbours, and what those know them by. */
export function firewallSets({ firewall, nics }: Intent): SetDefinition[] {
  if (firewall === undefined) return [];
  const isOwn = ({ guest }: NicIntent) => firewall.guests.includes(guest);
  const own = nics.filter(isOwn);
  const inside = own.filter(({ bridge }) => bridge !== firewall.wan);
  const bridges = new Set(inside.flatMap(({ bridge }) => bridge ?? []));
  const neighbours = nics.filter(
    (nic) => !isOwn(nic) && nic.bridge !== undefined && bridges.has(nic.bridge),
  );
  const addresses = inside.flatMap((nic) => vouchedOf(nic.addresses));
  const set = (name: string, type: string, keys: readonly string[]) =>
    defineSet(
      name,
      { type: [type] },
      keys.map((key) => ({ key: value(key) })),
    );
  return [
    interfaceSet(
      "firewall_neighbours",
      neighbours.flatMap(({ tap }) => tap ?? []),
    ),
    set("firewall_macs", "ether_addr", [...own.map(({ mac }) => mac), ...firewall.macs]),
    ...families.map((family) =>
      set(
        insideSet(family),
        addressType(family),
        addresses.filter((address) => familyOf(address) === family),
      ),
    ),
  ];
}

const insideSet = (family: Family) => `firewall_inside${family}`;

/** Ahead of everything that accepts a frame. */
export function toBehindFirewall({ firewall }: Intent): Rule[] {
  if (firewall === undefined) return [];
  return [rule(equal(iifname, reference("firewall_neighbours")), jump("behind_firewall"))];
}

/** The last byte of a MAC address of VRRP and CARP is the number of the router (RFC 5798, 7.3). */
const ofRouter = /^00:00:5e:00:0[12]:(..)$/;

/** Of VRRP, and of CARP, which has the number in the same place: who says the best of himself takes the router's place. */
function asOneRouter({ macs }: FirewallIntent): Rule[] {
  const numbers = macs.map((mac) => Number.parseInt(ofRouter.exec(mac)?.[1] ?? "", 16));
  const routers = [...new Set(numbers)].filter((number) => !Number.isNaN(number));
  return routers
    .toSorted((a, b) => a - b)
    .map((number) =>
      rule(equal(l4proto, value(112)), equal(raw("th", 8, 8), value(number)), ...refuse),
    );
}

/** Without a word about the type nft takes 802.1Q. */
const hasNoVlan = equal(payload("vlan", "id"), value(0));

export function behindFirewall({ firewall }: Intent): Chain[] {
  if (firewall === undefined) return [];
  const rules = [
    rule(equal(payload("ether", "saddr"), reference("firewall_macs")), ...refuse),
    // Whoever hears it takes a tag of VLAN 0 for none (Linux, __netif_receive_skb_core): nothing below would see into it.
    rule(hasNoVlan, ...refuse),
    rule(equal(payload("ether", "type"), value("8021ad")), hasNoVlan, ...refuse),
    ...asOneRouter(firewall),
    rule(whatRoutersSay, ...refuse),
    rule(equal(payload("icmp", "type"), value("redirect")), ...refuse),
    rule(equal(payload("arp", "saddr ip"), reference(insideSet(4))), ...refuse),
    ...families.map((family) =>
      rule(equal(payload(ip(family), "saddr"), reference(insideSet(family))), ...refuse),
    ),
  ];
  return [{ name: "behind_firewall", rules }];
}
