import { describe, expect, test } from "vitest";
import { parseMac, type Mac } from "../base/mac.ts";
import type { Guest, HostInterface, Network } from "../model/inventory.ts";
import type { Examination } from "./examination.ts";
import { examine } from "./examine.ts";
import type { FactName, Facts } from "./facts.ts";
import { firewallVmPoints } from "./firewall-vm.ts";
import { address, desiredOf, device, link, network, nicOf, soundHost } from "./sound-host.fake.ts";

const wan = device("br-wan");
const fw: Guest = {
  ...nicOwner("fw"),
  nics: [
    { ...nicOf(8), tap: device("vnet8"), bridge: wan },
    { ...nicOf(9), tap: device("vnet9"), bridge: device("br-front") },
  ].map(({ network: _network, ...nic }) => nic),
};

function nicOwner(name: string) {
  return { name, uuid: name, at: nicOf(1).at };
}

interface Changes {
  readonly guests?: readonly Guest[];
  readonly networks?: readonly Network[];
  readonly macs?: readonly Mac[];
}

/** The topology on a host that is as it should be: nothing is found. */
function inTopology(
  changes: Partial<Facts> = {},
  { guests = [fw], networks, macs = [] }: Changes = {},
): Facts {
  const interfaces: HostInterface[] = [
    { name: wan, addresses: [], hasDefaultRoute: false, kind: "bridge" },
  ];
  const inner = networks ?? [network("front", { forward: "isolated" })];
  const desired = desiredOf({
    policy: {
      host: {
        ...desiredOf().policy.host,
        topology: "firewall-vm",
        firewallVm: { guests: ["fw"], macs, wan },
        input: [],
      },
      guests: new Map(),
    },
    inventory: { guests, networks: inner, leases: [], host: { interfaces } },
  });
  const port = { isUp: true, master: "br-wan", addresses: [] } as const;
  return soundHost({
    desired,
    links: [
      { ...link("br-wan"), isUp: true, kind: "bridge" },
      { ...port, name: "eth0" },
      { ...port, name: "wan-port", kind: "veth", peer: "wan-host" },
      { ...port, name: "vnet8", kind: "tun" },
      { ...port, name: "vnet9", kind: "tun", master: "br-front" },
    ],
    settings: new Map([
      ["net/ipv4/ip_forward", "0"],
      ["net/ipv6/conf/br-wan/disable_ipv6", "1"],
      ["net/ipv4/conf/br-wan/arp_ignore", "1"],
    ]),
    autostart: { guests: ["fw"], networks: [] },
    ...changes,
  });
}

function find(facts: Facts, points: readonly Examination[] = firewallVmPoints): string[] {
  const names = Object.keys(facts) as FactName[];
  const looked = Object.fromEntries(names.map((name) => [name, { seen: facts[name] }]));
  const own = points.filter(({ id }) => id !== "packets");
  return examine(own, looked).findings.map(({ id, fix }) => `${id}: ${fix.text}`);
}

test("nothing is found on a host that is as it should be", () => {
  expect(find(inTopology())).toEqual([]);
});

test("a host that forwards itself is not asked", () => {
  const names = Object.keys(soundHost()) as FactName[];
  const facts = soundHost();
  const looked = Object.fromEntries(names.map((name) => [name, { seen: facts[name] }]));
  const { findings, sound, skipped } = examine(firewallVmPoints, looked);
  expect({ findings, sound }).toEqual({ findings: [], sound: [] });
  expect(skipped.every(({ isRefused }) => !isRefused)).toBe(true);
});

const without = (name: string) => ({
  links: inTopology().links.filter((each) => each.name !== name),
});
const having = (name: string, change: Partial<Facts["links"][number]>) => ({
  links: inTopology().links.map((each) => (each.name === name ? { ...each, ...change } : each)),
});
const set = (path: string, value: string) => ({
  settings: new Map([...inTopology().settings, [path, value]]),
});
const conf = ["/var/lib/libvirt/dnsmasq/front.conf", "dhcp-range=10.20.0.2,10.20.0.9\n"] as const;
const dhcp = (options: string) => ({ dhcpServers: [{ file: conf[0], text: conf[1] + options }] });
const answer = { bridge: "br-front", address: address("10.20.0.9"), mac: nicOf(9).mac };

describe("each point that does not hold is told with its one fix", () => {
  test.each<[string, Facts, string]>([
    [
      "no bridge",
      inTopology(without("br-wan")),
      "wan-bridge: write the files of: virtwall topology plan",
    ],
    [
      "no port to the outside",
      inTopology(without("eth0")),
      "wan-bridge: write the files of: virtwall topology plan",
    ],
    [
      "an address on it",
      inTopology(having("br-wan", link("br-wan", "203.0.113.1/24"))),
      "wan-bridge: write the files of: virtwall topology plan",
    ],
    [
      "an uplink that is down",
      inTopology(having("eth0", { isUp: undefined as never })),
      "wan-bridge: ip link set eth0 up",
    ],
    [
      "IPv6 on it",
      inTopology(set("net/ipv6/conf/br-wan/disable_ipv6", "0")),
      "wan-silent: sysctl -w net.ipv6.conf.br-wan.disable_ipv6=1, and into /etc/sysctl.d/60-firewall-vm.conf: net.ipv6.conf.br-wan.disable_ipv6 = 1",
    ],
    [
      "answers for others",
      inTopology(set("net/ipv4/conf/br-wan/arp_ignore", "0")),
      "wan-silent: sysctl -w net.ipv4.conf.br-wan.arp_ignore=1, and into /etc/sysctl.d/60-firewall-vm.conf: net.ipv4.conf.br-wan.arp_ignore = 1",
    ],
    ["no firewall guest", inTopology({}, { guests: [] }), "firewall-nics: virsh start fw"],
    [
      "no nic outside",
      inTopology({}, { guests: [{ ...fw, nics: fw.nics.slice(1) }] }),
      "firewall-nics: virsh attach-interface fw bridge br-wan --model virtio --config --live",
    ],
    [
      "no nic inside",
      inTopology({}, { guests: [{ ...fw, nics: fw.nics.slice(0, 1) }] }),
      "firewall-nics: virsh attach-interface fw bridge br-front --model virtio --config --live",
    ],
    [
      "a tap that is unplugged",
      inTopology(having("vnet9", { master: "br9" })),
      "firewall-nics: ip link set vnet9 master br-front up",
    ],
    [
      "a stranger's tap",
      inTopology(having("eth0", { kind: "tun", name: "tap7" })),
      "firewall-nics: ip link set tap7 nomaster",
    ],
    [
      "forwarding",
      inTopology(set("net/ipv4/ip_forward", "1")),
      "forwarding-off: sysctl -w net.ipv4.ip_forward=0, and into /etc/sysctl.d/60-firewall-vm.conf: net.ipv4.ip_forward = 0",
    ],
    [
      "forwarding by one interface",
      inTopology(set("net/ipv6/conf/eth0.5/forwarding", "1")),
      "forwarding-off: sysctl -w net.ipv6.conf.eth0/5.forwarding=0, and into /etc/sysctl.d/60-firewall-vm.conf: net.ipv6.conf.eth0/5.forwarding = 0",
    ],
    [
      "a network that turns it on",
      inTopology({}, { networks: [network("front")] }),
      "libvirt-forwarding: virsh net-edit front: take <forward> out; virsh net-destroy front; virsh net-start front",
    ],
    [
      "br_netfilter",
      inTopology(set("net/bridge/bridge-nf-call-iptables", "1")),
      "bridged-frames: sysctl -w net.bridge.bridge-nf-call-iptables=0, and into /etc/sysctl.d/60-firewall-vm.conf: net.bridge.bridge-nf-call-iptables = 0",
    ],
    [
      "br_netfilter of one bridge",
      inTopology(having("br-wan", { filtersBridged: true })),
      "bridged-frames: ip link set br-wan type bridge nf_call_iptables 0 nf_call_ip6tables 0 nf_call_arptables 0",
    ],
    [
      "other rules",
      inTopology({ drift: ["add chain inet virtwall forward"] }),
      "rules: virtwall apply",
    ],
    [
      "a route by the host",
      inTopology(dhcp("")),
      "inner-routes: virsh net-edit front: <dnsmasq:options><dnsmasq:option value='dhcp-option=option:router,ADDRESS'/></dnsmasq:options>",
    ],
    [
      "no route at all",
      inTopology(dhcp("dhcp-option=3\n")),
      "inner-routes: virsh net-edit front: <dnsmasq:options><dnsmasq:option value='dhcp-option=option:router,ADDRESS'/></dnsmasq:options>",
    ],
    [
      "no answer",
      inTopology({ answers: [answer] }),
      "firewall-answers: look at it: virsh console fw; where it hangs: virsh reset fw",
    ],
    [
      "another's answer",
      inTopology({ answers: [{ ...answer, answered: "52:54:00:00:00:01" }] }),
      "firewall-answers: give 10.20.0.9 to 'fw' alone",
    ],
    [
      "no autostart",
      inTopology({ autostart: { guests: [], networks: [] } }),
      "autostart: virsh autostart fw",
    ],
    [
      "others' autostart",
      inTopology({ autostart: { guests: ["fw", "web 1"], networks: [] } }),
      "autostart: virsh autostart --disable 'web 1', and the unit of virtwall topology plan, which starts them after it",
    ],
  ])("%s", (_what, facts, expected) => {
    expect(find(facts)).toContain(expected);
  });

  test("and holds where it does: an answer of its own, forwarding of all of a family told once", () => {
    expect(find(inTopology({ answers: [{ ...answer, answered: answer.mac }] }))).toEqual([]);
    const shared = parseMac("00:00:5e:00:01:0a") as Mac;
    const answers = [{ ...answer, answered: shared }];
    expect(find(inTopology({ answers }, { macs: [shared] }))).toEqual([]);
    const settings = new Map([
      ...inTopology().settings,
      ["net/ipv4/ip_forward", "1"],
      ["net/ipv4/conf/eth0/forwarding", "1"],
    ] as const);
    expect(find(inTopology({ settings }))).toHaveLength(1);
  });
});
