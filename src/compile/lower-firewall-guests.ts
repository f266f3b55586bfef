import { familyOf, type Family } from "../base/address.ts";
import type { Intent } from "../model/intent.ts";
import type { Chain, Rule, SetDefinition } from "../nft/ast.ts";
import { equal, iifname, jump, notEqual, payload, reference, rule, value } from "../nft/build.ts";
import { addressType, defineSet, interfaceSet } from "./define-set.ts";
import { vouchedOf } from "./lower-learning.ts";
import { families, ip } from "./matches.ts";
import { whatRoutersSay } from "./on-link.ts";
import { refuse } from "./verdicts.ts";

/*
 * Where a guest forwards in this host's place, its neighbours' way to the world, and what the host's input believes of who sends, go by
 * its MAC addresses, by its addresses, and by what it says as their router. No other guest may bear the one or say the other.
 */

/** What firewall guests send by, and what their neighbours know them by. */
export function firewallSets({ firewall, nics }: Intent): SetDefinition[] {
  if (firewall === undefined) return [];
  const own = nics.filter(({ guest }) => firewall.guests.includes(guest));
  const inside = own.filter(({ bridge }) => bridge !== firewall.wan);
  const addresses = inside.flatMap((nic) => vouchedOf(nic.addresses));
  const set = (name: string, type: string, keys: readonly string[]) =>
    defineSet(
      name,
      { type: [type] },
      keys.map((key) => ({ key: value(key) })),
    );
  return [
    interfaceSet(
      "firewall_taps",
      own.flatMap(({ tap }) => tap ?? []),
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
  const isOther = [
    equal(iifname, reference("taps")),
    notEqual(iifname, reference("firewall_taps")),
  ] as const;
  return [rule(...isOther, jump("behind_firewall"))];
}

export function behindFirewall({ firewall }: Intent): Chain[] {
  if (firewall === undefined) return [];
  const rules = [
    rule(equal(payload("ether", "saddr"), reference("firewall_macs")), ...refuse),
    // Whoever hears it takes a tag of VLAN 0 for none (Linux, vlan_do_receive): nothing below would see into it.
    rule(equal(payload("vlan", "id"), value(0)), ...refuse),
    rule(whatRoutersSay, ...refuse),
    rule(equal(payload("icmp", "type"), value("redirect")), ...refuse),
    rule(equal(payload("arp", "saddr ip"), reference(insideSet(4))), ...refuse),
    ...families.map((family) =>
      rule(equal(payload(ip(family), "saddr"), reference(insideSet(family))), ...refuse),
    ),
  ];
  return [{ name: "behind_firewall", rules }];
}
