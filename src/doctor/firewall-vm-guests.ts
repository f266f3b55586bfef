import { quote } from "../base/quote.ts";
import type { FirewallIntent, NetworkIntent } from "../model/intent.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { failed, inFirewallVm } from "./firewall-vm-links.ts";
import { shellWord } from "../base/shell-word.ts";

/** libvirt starts the firewall guest with the host, and leaves the others to what waits for it. */
export const autostart: Examination<"autostart" | "desired"> = {
  id: "autostart",
  needs: ["autostart", "desired"],
  examine: (facts) =>
    inFirewallVm(facts, (firewall) => {
      const { guests } = facts.autostart;
      const folder = "/etc/libvirt/qemu/autostart";
      const others = guests.filter((name) => !firewall.guests.includes(name));
      return [
        ...firewall.guests
          .filter((guest) => !guests.includes(guest))
          .map((guest) =>
            failed(
              `libvirt does not start guest ${quote(guest)} with the host`,
              [`${folder}: ${guests.length === 0 ? "nothing" : guests.join(", ")}`],
              `virsh autostart ${shellWord(guest)}`,
            ),
          ),
        ...unstartedNetworks(firewall, facts),
        ...(others.length === 0 ? [] : [unordered(firewall, others)]),
      ];
    }),
};

/** Without its network a guest does not start. */
function unstartedNetworks(
  { guests }: FirewallIntent,
  { desired, autostart: { networks } }: Pick<Facts, "autostart" | "desired">,
): Finding[] {
  const needed = desired.inventory.guests
    .filter(({ name }) => guests.includes(name))
    .flatMap(({ name, nics }) =>
      nics.flatMap(({ network }) => (network === undefined ? [] : [[network, name] as const])),
    );
  return [...new Map(needed)]
    .filter(([network]) => !networks.includes(network))
    .map(([network, guest]) =>
      failed(
        `libvirt does not start network ${quote(network)} with the host: guest ${quote(guest)} cannot start`,
        [`/etc/libvirt/qemu/networks/autostart: no ${network}.xml`],
        `virsh net-autostart ${shellWord(network)}`,
      ),
    );
}

/** virDomainObjListForEach goes through a hash table (libvirt, conf/virdomainobjlist.c): its order is no order. */
function unordered({ guests }: FirewallIntent, others: readonly string[]): Finding {
  const disable = others.map((name) => `virsh autostart --disable ${shellWord(name)}`);
  return failed(
    `libvirt starts guests in any order: others may run before ${guests.map(quote).join(" and ")} does`,
    others.map((name) => `/etc/libvirt/qemu/autostart/${name}.xml`),
    `${disable.join("; ")}, and the unit of virtwall topology plan, which starts them after it`,
  );
}

/** libvirt turns forwarding on whenever it starts a network with `<forward>` (network/bridge_driver.c). */
export const forwardingNetworks: Examination<"desired"> = {
  id: "libvirt-forwarding",
  needs: ["desired"],
  examine: (facts) =>
    inFirewallVm(facts, ({ wan }) =>
      facts.desired.inventory.networks
        .filter(({ forward, bridge }) => bridge !== wan && /^(nat|route|open)$/.test(forward))
        .map(({ name, forward }) => {
          const word = shellWord(name);
          return failed(
            `libvirt turns forwarding on when it starts network ${quote(name)}`,
            [`virsh net-dumpxml ${word}: <forward mode='${forward}'/>`],
            `virsh net-edit ${word}: take <forward> out; virsh net-destroy ${word}; virsh net-start ${word}`,
          );
        }),
    ),
};

/** Where libvirt's server gives guests their addresses, it names the firewall guest as the way out. */
export const innerRoutes: Examination<"dhcpServers" | "desired"> = {
  id: "inner-routes",
  needs: ["dhcpServers", "desired"],
  examine: (facts) =>
    inFirewallVm(facts, ({ guests, wan }) =>
      facts.desired.compiled.intent.networks
        .filter(({ bridge }) => bridge !== wan)
        .flatMap((network) => routeFindings(network, guests, facts)),
    ),
};

function routeFindings(
  { name, bridge }: NetworkIntent,
  guests: readonly string[],
  { dhcpServers, desired }: Pick<Facts, "dhcpServers" | "desired">,
): Finding[] {
  const server = dhcpServers.find(({ file }) => file.endsWith(`/${name}.conf`));
  if (server === undefined || !/^dhcp-range=\d+\./m.test(server.text)) return [];
  const nics = desired.compiled.intent.nics.filter((nic) => guests.includes(nic.guest));
  const inner = nics.filter((nic) => nic.bridge === bridge);
  if (inner.length === 0) return [];
  const addresses = inner.flatMap((nic) => nic.addresses.map(({ address }) => String(address)));
  // Of an option given twice the last one counts (dnsmasq 2.89).
  const said = [...server.text.matchAll(/^dhcp-option=(?:option:router|3)(?:,(.*))?$/gm)].at(-1);
  const router = said === undefined ? "the host itself" : (said[1] ?? "nobody");
  if (addresses.includes(router)) return [];
  const option = `dhcp-option=option:router,${addresses.find((each) => !each.includes(":")) ?? "ADDRESS"}`;
  return [
    failed(
      `libvirt's DHCP server sends guests of ${quote(name)} to ${router} with what is for the world`,
      [`${server.file}: ${said?.[0] ?? "no option 3"}`],
      `virsh net-edit ${shellWord(name)}: <dnsmasq:options><dnsmasq:option value='${option}'/></dnsmasq:options>`,
    ),
  ];
}
