import { cpSync, mkdtempSync, rmSync, readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { caseFolder } from "../../world/case-folders.ts";
import { readWorldSpec } from "../../world/inventory-world.ts";
import { parsePacketLines, type PacketLine } from "../../world/packet-lines.ts";
import { PacketRunner } from "../../world/packet-runner.ts";
import { VirtwallOnHost } from "../../world/virtwall-on-host.ts";
import { createWorld, type World } from "../../world/world.ts";
import { buildPrograms } from "../daemon-program.ts";

/*
 * What people with guests write to forums about, as far as it shows as a packet that does not arrive: each is rebuilt here. explain
 * names the one cause and what to do, that is done, and the packet arrives.
 */
interface Pain {
  readonly title: string;
  /** In place of the usual one. */
  readonly policy?: string;
  /** What goes wrong, as a shell on the host does it. */
  readonly wrong?: string;
  readonly undo?: string;
  /** What is done once the packet has come in vain. */
  readonly later?: string;
  /** What is done inside of a guest. */
  readonly inside?: readonly [guest: string, script: string];
  /** What is said to explain besides the packet. */
  readonly options?: readonly string[];
  /** What arrives once it is mended, in the words of packets.txt. */
  readonly packet: string;
  /** What was asked for, where that is not what arrives in the end. */
  readonly asked?: string;
  /** Who alone listens; absent: everybody who is asked. */
  readonly listens?: readonly [agent: string, port: number];
  /** In what explain says it is because of. */
  readonly cause: RegExp;
  readonly fix: RegExp;
  /** What arrives all the while. */
  readonly meanwhile?: string;
  /** What is done on the host for what explain says, which is libvirt's to do. */
  readonly done?: string;
  /** What the admin puts in place of a word in capitals. */
  readonly fill?: readonly [word: string, value: string];
}

const usual = `networks:
  wide: { mode: nat }
guests:
  nat1: { publish: [{ ports: [tcp/8050, tcp/8054] }] }
`;
const filtered = `networks: { wide: { mode: nat } }
guests: { nat1: { nics: { "52:54:00:50:00:11": { filter: clean-traffic, parameters: { IP: [10.50.0.11] } } } } }
`;
/** Somebody in the world says again and again that he is the router. */
const router = fileURLToPath(new URL("../../world/router.pl", import.meta.url));
const dropForwarded =
  "nft 'add table inet site; add chain inet site passing { type filter hook forward priority 0; policy drop; }'";
const pass = /^virtwall apply$/;

const pains: readonly Pain[] = [
  {
    title: "libvirt's nftables backend rejects what is published",
    wrong: `nft 'table ip libvirt_network { chain guest_input { oifname "virbr50" ip daddr 10.50.0.0/24 ct state established,related accept; oifname "virbr50" counter reject; }; chain forward { type filter hook forward priority filter; policy accept; jump guest_input; }; }'`,
    packet: "tcp4 world -> host:8050 => nat1:8050",
    cause: /guest_input \(libvirt\)/,
    fix: pass,
  },
  {
    title: "Docker leaves FORWARD at DROP",
    wrong: "iptables-nft -N DOCKER-USER; iptables-nft -P FORWARD DROP",
    packet: "tcp4 nat1 -> world:80 => world:80",
    cause: /policy of ip filter FORWARD/,
    fix: pass,
  },
  {
    title: "rules of iptables-legacy are left behind",
    wrong: "iptables-legacy -A FORWARD -p tcp -m multiport --dports 80,443 -j REJECT",
    undo: "iptables-legacy -F FORWARD",
    packet: "tcp4 nat1 -> world:80 => world:80",
    cause: /filter \(iptables-legacy\) FORWARD.*multiport/,
    fix: pass,
  },
  {
    title: "somebody flushes all rules",
    wrong: "nft flush ruleset",
    packet: "tcp4 world -> host:8054 => nat1:8054",
    listens: ["nat1", 8054],
    cause: /nobody listens/,
    fix: pass,
  },
  {
    title: "the host's firewall drops what is forwarded",
    wrong: dropForwarded,
    packet: "tcp6 nat1 -> world:80 => world:80",
    cause: /policy of inet site passing \(the admin\)/,
    fix: pass,
  },
  {
    title: "the host's firewall drops what guests ask its name server",
    wrong: "iptables-nft -P INPUT DROP",
    packet: "udp4 nat1 -> gateway:53 => delivered",
    cause: /policy of ip filter INPUT/,
    fix: pass,
  },
  {
    title: "br_netfilter lets FORWARD drop what stays on a bridge",
    wrong: "sysctl -qw net.bridge.bridge-nf-call-iptables=1; iptables-nft -P FORWARD DROP",
    packet: "tcp4 lan1 -> lan2:80 => lan2:80",
    cause: /policy of ip filter FORWARD/,
    fix: pass,
  },
  {
    title: "the host's firewall closes a port of the host",
    wrong: "iptables-nft -A INPUT -p tcp -m tcp --dport 2222 -m conntrack --ctstate NEW -j DROP",
    packet: "tcp4 world -> host:2222 => delivered",
    cause: /FORWARD|INPUT.*--dport 2222/,
    fix: /^iptables -I INPUT -d 198.51.100.1 -p tcp --dport 2222 -j ACCEPT$/,
  },
  {
    title: "an nft file closes a port of the host",
    wrong:
      "nft 'add table inet site; add chain inet site entering { type filter hook input priority 0; policy accept; }; add rule inet site entering tcp dport 2222 drop'",
    packet: "tcp6 world -> host:2222 => delivered",
    cause: /rule 1 of inet site entering \(the admin\): tcp dport 2222 drop/,
    fix: /^nft insert rule inet site entering ip6 daddr 2001:db8:1::1 tcp dport 2222 accept$/,
  },
  {
    title: "forwarding is switched off",
    wrong: "sysctl -qw net.ipv4.ip_forward=0",
    packet: "tcp4 world -> host:8050 => nat1:8050",
    cause: /forwards nothing from br0/,
    fix: /^sysctl -w net.ipv4.ip_forward=1$/,
  },
  {
    title: "forwarding of IPv6 is switched off",
    wrong: "sysctl -qw net.ipv6.conf.all.forwarding=0",
    packet: "tcp6 world -> host:8050 => nat1:8050",
    cause: /forwards nothing from br0/,
    fix: /^sysctl -w net.ipv6.conf.all.forwarding=1$/,
  },
  {
    title: "the host has no way out",
    wrong: "ip route del default",
    undo: "ip route add default via 198.51.100.50; ip route del 192.0.2.1",
    packet: "tcp4 nat1 -> internet:80 => world:80",
    cause: /lost, no route/,
    fix: /^ip route add 192.0.2.1 via ROUTER$/,
    fill: ["ROUTER", "198.51.100.50"],
  },
  {
    title: "net-destroy and net-start leave a guest's tap without its bridge",
    wrong: "ip link set vnet0 nomaster",
    packet: "tcp4 host -> nat1:80 => nat1:80",
    cause: /vnet0 is no port of virbr50/,
    fix: /^ip link set vnet0 master virbr50$/,
  },
  {
    title: "nothing is published",
    asked: "tcp4 world -> nat1:22 => blocked",
    packet: "tcp4 world -> host:2022 => nat1:22",
    cause: /oifname @closed/,
    fix: /^virtwall publish add nat1 tcp\/2022:22$/,
  },
  {
    title: "a guest is to reach a service of the host",
    packet: "tcp4 nat1 -> gateway:3142 => delivered",
    cause: /inet virtwall input/,
    fix: /^networks: \{ default: \{ services: \[tcp\/3142\] \} \}$/,
  },
  {
    title: "an isolated network is to reach the world",
    packet: "tcp4 private1 -> world:80 => world:80",
    cause: /@isolated/,
    fix: /^networks: \{ private: \{ mode: nat \} \}$/,
  },
  {
    title: "a guest is to reach another network",
    packet: "tcp4 routed1 -> nat1:80 => nat1:80",
    cause: /@reach/,
    fix: /^networks: \{ routed: \{ reach: \[default\] \} \}$/,
  },
  {
    title: "guests of one network are kept apart",
    policy: "networks: { default: { isolate: true } }\n",
    packet: "tcp4 nat1 -> nat2:80 => nat2:80",
    cause: /@apart/,
    fix: /^networks: \{ default: \{ isolate: false \} \}$/,
  },
  {
    title: "a group closes a port of a guest",
    policy:
      "groups: { web: { ingress: [{ allow: tcp/443 }] } }\nguests: { routed1: { groups: [web] } }\n",
    packet: "tcp4 world -> routed1:80 => routed1:80",
    cause: /ingress\/web/,
    fix: /^groups: \{ web: \{ ingress: \[\{ allow: tcp\/80 \}\] \} \}$/,
  },
  {
    title:
      "a hook script's rule leads a guest's neighbour to it, and the answer goes past the host",
    policy: "{}\n",
    wrong:
      "nft flush ruleset; iptables-nft -t nat -A PREROUTING -d 198.51.100.1 -p tcp --dport 9000 -j DNAT --to-destination 10.50.0.11:80",
    packet: "tcp4 nat2 -> host:9000 => nat1:80",
    cause: /lost, the answer goes past the host, .* on virbr50/,
    fix: /^virtwall publish add nat1 tcp\/9000:80$/,
  },
  {
    title: "a flow goes on where nat led it before",
    policy: "guests: { nat1: { publish: [{ ports: udp/8050 }] } }\n",
    wrong:
      "nft 'add table ip script; add chain ip script early { type nat hook prerouting priority -110; }; add rule ip script early udp dport 8050 dnat to 10.50.0.99'",
    later: "nft delete table ip script",
    packet: "udp4 world:40000 -> host:8050 => nat1:8050",
    cause: /lost, a flow from 198.51.100.50 port 40000 goes on to 10.50.0.99 port 8050/,
    fix: /^conntrack -D -f ipv4 -p udp -d 198.51.100.1 --orig-port-dst 8050 --reply-src 10.50.0.99$/,
  },
  {
    title: "a connection goes on where nat led it before",
    policy: "guests: { nat1: { publish: [{ ports: tcp/8050 }] } }\n",
    wrong:
      "nft 'add table ip script; add chain ip script early { type nat hook prerouting priority -110; }; add rule ip script early tcp dport 8050 dnat to 10.50.0.99'",
    later: "nft delete table ip script",
    packet: "tcp4 world:40001 -> host:8050 => nat1:8050",
    cause: /lost, a flow from 198.51.100.50 port 40001 goes on to 10.50.0.99 port 8050/,
    fix: /^conntrack -D -f ipv4 -p tcp -d 198.51.100.1 --orig-port-dst 8050 --reply-src 10.50.0.99$/,
  },
  {
    title: "a hook script leads to the address that a guest had before",
    policy: "{}\n",
    wrong:
      "nft flush ruleset; iptables-nft -t nat -A PREROUTING -d 198.51.100.1 -p tcp --dport 9001 -j DNAT --to-destination 10.50.0.99:80",
    packet: "tcp4 world -> host:9001 => nat1:80",
    cause:
      /lost, 10\.50\.0\.99 does not answer on virbr50\n {2}because of .*PREROUTING.* 10\.50\.0\.99:80/,
    fix: /^virtwall publish add GUEST tcp\/9001:80$/,
    fill: ["GUEST", "nat1"],
  },
  {
    title: "the policy names the address that a guest had before",
    policy: `guests: { nat1: { publish: [{ ports: tcp/8050 }], nics: { "52:54:00:50:00:11": { address: 10.50.0.99 } } } }\n`,
    inside: ["nat1", "bash -c 'echo > /dev/udp/10.50.0.1/53'"],
    packet: "tcp4 world -> host:8050 => nat1:8050",
    cause: /lost, 10\.50\.0\.99 does not answer on virbr50/,
    fix: /^guests: \{ nat1: \{ nics: \{ "52:54:00:50:00:11": \{ address: 10.50.0.11 \} \} \} \}$/,
  },
  {
    title: "a rule of somebody else's takes the port of a publication",
    wrong:
      "nft 'add table ip script; add chain ip script early { type nat hook prerouting priority -110; }; add chain ip script own; add rule ip script early jump own; add rule ip script own tcp dport 8050 dnat to 10.50.0.12:80'",
    packet: "tcp4 world -> host:8050 => nat1:8050",
    listens: ["nat2", 80],
    cause:
      /lost, tcp\/8050 is published for nat1, and another rule leads it to 10\.50\.0\.12\n {2}because of rule 1 of ip script own/,
    fix: /^nft insert rule ip script early ip daddr 198.51.100.1 tcp dport 8050 accept$/,
  },
  {
    title: "the host itself answers at a port that is published",
    wrong: "nft flush ruleset",
    packet: "tcp4 world -> host:8054 => nat1:8054",
    cause: /lost, tcp\/8054 is published for nat1, and the host itself answers in its place/,
    fix: pass,
  },
  {
    title: "a publication takes the port of a service of the host's",
    packet: "tcp4 world -> host:8050 => delivered",
    cause: /delivered, out by vnet0 to nat1/,
    fix: /^virtwall publish remove nat1 tcp\/8050$/,
  },
  {
    title: "a guest has taken an address that is not its own",
    policy:
      "networks: { wide: { mode: nat } }\ngroups: { web: { egress: [{ allow: any }] } }\nguests: { nat1: { groups: [web] } }\n",
    inside: ["nat1", "ip addr add 10.50.0.99/32 dev eth0"],
    packet: "tcp4 nat1@10.50.0.99 -> world:80 => world:80",
    options: ["--in", "vnet0"],
    cause: /bridge virtwall guard/,
    fix: /^guests: \{ nat1: \{ nics: \{ "[0-9a-f:]+": \{ address: 10.50.0.99 \} \} \} \}$/,
  },
  {
    title: "a filter drops a guest whose MAC address is not its own",
    policy: filtered,
    inside: ["nat1", "ip link set dev eth0 address 52:54:00:66:66:66"],
    packet: "tcp4 nat1 -> world:80 => world:80",
    options: ["--in", "vnet0", "--mac", "52:54:00:66:66:66"],
    cause: /dropped\n {2}because of .* bridge virtwall from\/.*ether saddr/,
    fix: /^in nat1: ip link set dev IFACE address 52:54:00:50:00:11$/,
    fill: ["IFACE", "eth0"],
  },
  {
    title: "a filter drops a guest whose address it was not told",
    policy: filtered,
    inside: ["nat1", "ip addr replace 10.50.0.98/32 dev eth0"],
    packet: "tcp4 nat1@10.50.0.98 -> world:80 => world:80",
    options: ["--in", "vnet0"],
    cause: /dropped\n {2}because of .* bridge virtwall from\//,
    fix: /^guests: \{ nat1: \{ nics: \{ "52:54:00:50:00:11": \{ parameters: \{ IP: \[10\.50\.0\.98\] \} \} \} \} \}$/,
  },
  {
    title: "the host has no way back to who asks from afar",
    wrong: "ip route del default",
    undo: "ip route add default via 198.51.100.50; ip route del 192.0.2.1",
    packet: "tcp4 internet -> host:8050 => nat1:8050",
    options: ["--in", "eth0"],
    cause: /the answer of .*lost, no route/,
    fix: /^ip route add 192.0.2.1 via ROUTER$/,
    fill: ["ROUTER", "198.51.100.50"],
  },
  {
    title: "the host has no way back over IPv6",
    wrong: "ip -6 route del default",
    undo: "ip -6 route add default via 2001:db8:1::50; ip -6 route del 2001:db8:2::1",
    packet: "tcp6 internet -> host:8050 => nat1:8050",
    options: ["--in", "eth0"],
    cause: /the answer of .*lost, no route/,
    fix: /^ip -6 route add 2001:db8:2::1 via ROUTER$/,
    fill: ["ROUTER", "2001:db8:1::50"],
  },
  {
    title: "forwarding of IPv6 makes the host deaf to its router",
    inside: [
      "world",
      `perl ${router} wan0 < /dev/null > /dev/null 2>&1 & echo $! > /run/router.pid`,
    ],
    wrong: `set -e; sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.br0.accept_ra=1; ip -6 route del default
      timeout 30 sh -c 'until ip -6 route show default | grep -q "proto ra"; do sleep 0.1; done'
      sysctl -qw net.ipv6.conf.all.forwarding=1; ! ip -6 route show default | grep .`,
    undo: `kill $(cat /run/router.pid); sysctl -qw net.ipv6.conf.br0.accept_ra=0; ip -6 addr flush dev br0 dynamic
      ip -6 route del default; ip -6 route add default via 2001:db8:1::50`,
    packet: "tcp6 nat1 -> internet:80 => world:80",
    cause: /lost, no route: the host forwards IPv6, and hears no router on br0/,
    fix: /^sysctl -w net.ipv6.conf.br0.accept_ra=2$/,
  },
  {
    title: "the host's firewall drops what neighbours of IPv6 say",
    wrong:
      "ip6tables-nft -A INPUT -i virbr50 -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j DROP; ip -6 neigh flush dev virbr50",
    packet: "tcp6 world -> host:8050 => nat1:8050",
    cause: /INPUT \(iptables\).*--icmpv6-type 136 -j DROP/,
    fix: pass,
  },
];

/** A guest is the router, and the host stands behind it. */
const firewallPains: readonly Pain[] = [
  {
    title: "the host is managed from outside, past the guest that is its firewall",
    packet: "tcp4 world -> host:9999 => delivered",
    cause: /inet virtwall host_rules/,
    fix: /^host: \{ input: \[\{ allow: tcp\/9999 \}\] \}$/,
  },
  {
    title: "br_netfilter lets FORWARD drop what is bridged to the guest that is the firewall",
    wrong: "sysctl -qw net.bridge.bridge-nf-call-iptables=1; iptables-nft -P FORWARD DROP",
    packet: "tcp4 world -> fw:80 => fw:80",
    cause: /policy of ip filter FORWARD/,
    fix: pass,
  },
  {
    title: "br_netfilter keeps from the host what crosses the bridge to its own leg",
    wrong: "sysctl -qw net.bridge.bridge-nf-call-iptables=1; iptables-nft -P FORWARD DROP",
    packet: "tcp4 world@198.51.100.60 -> host:22 => delivered",
    cause: /policy of ip filter FORWARD/,
    fix: /^iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT$/,
  },
];

const direct1 = `<domain type='kvm' id='99'>
  <name>direct1</name>
  <uuid>0d0c7c3e-0000-4000-8000-000000000599</uuid>
  <devices>
    <interface type='direct'>
      <mac address='52:54:00:30:00:11'/>
      <source dev='eth0' mode='bridge'/>
      <target dev='macvtap0'/>
      <model type='virtio'/>
    </interface>
  </devices>
</domain>
`;
const macvtap = fileURLToPath(new URL("../../world/macvtap-guest.pl", import.meta.url));
const ofDirect = "guest=$(ip netns list | grep -o '^[^ ]*-direct1');";

/** A guest's nic stands on the uplink itself. */
const macvtapPains: readonly Pain[] = [
  {
    title: "the host does not reach a guest with a macvtap on its own uplink",
    inside: [
      "host",
      `${ofDirect} ip link add macvtap0 link eth0 address 52:54:00:30:00:11 type macvtap mode bridge; ip link set macvtap0 up
      device=/dev/tap$(cat /sys/class/net/macvtap0/ifindex)
      ip netns exec $guest perl ${macvtap} $device 52:54:00:30:00:11 198.51.100.30/24 < /dev/null > /dev/null 2>&1 &
      echo $! > /run/macvtap.pid`,
    ],
    undo: "kill $(cat /run/macvtap.pid)",
    meanwhile: "tcp4 world -> 198.51.100.30:80 => direct1:80",
    asked: "tcp4 host -> 198.51.100.30:80 => direct1:80",
    packet: "tcp4 host -> 10.20.0.99:80 => direct1:80",
    cause: /lost, macvtap0 and the host do not hear each other on eth0/,
    fix: /^virsh attach-interface direct1 network NETWORK --model virtio --live --config$/,
    done: `${ofDirect} ip link add second0 master virbr20 type veth peer name eth1 netns $guest; ip link set second0 up
      ip -n $guest link set eth1 up; ip -n $guest addr add 10.20.0.99/24 dev eth1`,
  },
];

const sites = [
  {
    name: "beside-firewalls",
    ownPains: pains,
    usualPolicy: usual,
    // The host learns where those are who would not speak to it else.
    learned: "tcp4 lan1 -> host:22 => delivered\ntcp4 lan2 -> host:22 => delivered",
  },
  {
    name: "firewall-vm",
    ownPains: firewallPains,
    usualPolicy: readFileSync(join(caseFolder("firewall-vm").folder, "policy.yaml"), "utf8"),
    learned: "tcp4 world@198.51.100.60 -> host:22 => delivered",
  },
  {
    name: "publish",
    ownPains: macvtapPains,
    usualPolicy: `networks: { front: { mode: nat } }
guests: { direct1: { nics: { "52:54:00:30:00:11": { address: 198.51.100.30 } } } }
`,
    learned: "tcp4 world -> host:22 => delivered",
    guest: { name: "direct1", xml: direct1 },
  },
] as const;

let inventory: string;
let world: World;
let runner: PacketRunner;
let virtwall: VirtwallOnHost;

const linesOf = ({ packet, asked }: Pain) => parsePacketLines([asked ?? packet, packet].join("\n"));

beforeAll(buildPrograms);

describe.each(sites)(
  "on the host of $name",
  ({ name, ownPains, usualPolicy, learned, ...site }) => {
    beforeAll(async () => {
      ({ inventory } = caseFolder(name));
      let spec = await readWorldSpec(inventory);
      if ("guest" in site) {
        // Its nic is made by hand.
        spec = { ...spec, guests: [...spec.guests, { name: site.guest.name, nics: [] }] };
        const folder = mkdtempSync("/run/inventory-");
        cpSync(inventory, folder, { recursive: true });
        writeFileSync(join(folder, "domains", `${site.guest.name}.xml`), site.guest.xml);
        inventory = folder;
      }
      world = await createWorld(spec);
      runner = new PacketRunner(world, spec);
      const lines = parsePacketLines(learned);
      await runner.listen(lines);
      expect(await runner.run(lines)).toEqual(lines.map(({ text }) => text));
    });
    afterAll(() => world?.close());

    afterEach(async () => {
      await world.onHost(["nft", "flush", "ruleset"]);
      rmSync(virtwall.folder, { recursive: true, force: true });
    });

    test.each(ownPains)("$title: explain says why, and what mends it", (pain) =>
      mendPain({ policy: usualPolicy, ...pain }),
    );

    if (name === "beside-firewalls") {
      test(
        "a connection that goes on through nat is followed to where it was led, whoever lists it",
        followFlow,
      );
    }
  },
);

const shell = (script: string) => world.onHost(["sh", "-c", script]);

async function mendPain(pain: Pain & { readonly policy: string }): Promise<void> {
  const { policy, wrong, undo, later, inside, options = [] } = pain;
  virtwall = new VirtwallOnHost(world, { policy, inventory });
  const lines = linesOf(pain);
  if (pain.listens === undefined) await runner.listen(lines);
  else await world.agent(pain.listens[0]).listen("tcp", pain.listens[1]);
  await world.setBridgeNetfilter(false);
  if (inside !== undefined) await world.inside(inside[0], ["sh", "-c", inside[1]]);
  // Neighbours and bridges learn who is where.
  await runner.run(lines.filter(({ sourcePort }) => sourcePort === undefined));
  run("apply");
  if (wrong !== undefined) await shell(wrong);
  try {
    const [asked, arriving] = lines as [PacketLine, PacketLine];
    if (pain.meanwhile !== undefined) await arrive(parsePacketLines(pain.meanwhile));
    expect(await runner.run([asked])).not.toEqual([arriving.text]);
    if (later !== undefined) {
      await shell(later);
      expect(await runner.run([asked])).not.toEqual([arriving.text]);
    }
    const { text } = virtwall.run("explain", ...wordsOf(asked), ...options);
    expect(text).toMatch(pain.cause);
    const fix = /^ {2}(?:fix|.* to reach that): (.*)$/m.exec(text)?.[1] ?? "";
    expect(fix, text).toMatch(pain.fix);
    if (pain.done === undefined) await mend(fix.replace(...(pain.fill ?? ["", ""])));
    else await shell(pain.done);
    await arrive([arriving]);
  } finally {
    if (undo !== undefined) await shell(`${undo}; true`);
    await shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    await shell("sysctl -qw net.bridge.bridge-nf-call-iptables=0");
  }
}

/** In front of a command on the host: its kernel has no /proc/net/nf_conntrack. */
const unlisted = 'mount -t tmpfs none /proc/$$/net; exec "$@"';
/** The same, and conntrack is not installed. */
const without = `folder=$(mktemp -d); ln -s /usr/sbin/* $folder; rm $folder/conntrack
  export PATH=$folder:/usr/bin:/bin; ${unlisted}`;

async function followFlow(): Promise<void> {
  virtwall = new VirtwallOnHost(world, { policy: usual, inventory });
  run("apply");
  await runner.listen(parsePacketLines("tcp4 world -> host:8050 => nat1:8050"));
  const asker = world.agent("world");
  const flow = { host: "198.51.100.1", port: 8050, source: "198.51.100.50", timeoutMs: 30_000 };
  expect(await asker.hold("flow", flow)).toMatchObject({ by: "nat1" });
  // Who begins now is led to nobody: to an address that no guest of this file ever had.
  await shell(
    "nft 'add table ip script; add chain ip script early { type nat hook prerouting priority -110; }; add rule ip script early tcp dport 8050 dnat to 10.50.0.97'",
  );
  expect(await asker.exchange("flow", 30_000)).toMatchObject({ outcome: "answered" });
  const question = ["explain", "tcp", "198.51.100.50", "198.51.100.1:8050"];
  const asked = [...question, "--state", "established"];
  const reached = /: delivered, out by \w+ to nat1\n {2}leads to 10\.50\.0\.11 port 8050\n/;
  expect(virtwall.run(...asked).text).toMatch(reached);
  expect(await explainBehind(unlisted, asked)).toMatch(reached);
  expect(await explainBehind(without, asked)).toMatch(/could not be seen: .*apt install conntrack/);
  await asker.release("flow");
}

function explainBehind(script: string, asked: readonly string[]): Promise<string> {
  const [, , , , ...command] = virtwall.words(...asked);
  return world.onHost(["sh", "-c", 'sh -c "$0" sh "$@" || true', script, ...command]);
}

/** What others do by themselves, from time to time or as soon as they are ready, takes its time. */
async function arrive(lines: readonly PacketLine[]): Promise<void> {
  const run = () => runner.run(lines);
  await expect.poll(run, { timeout: 30_000 }).toEqual(lines.map(({ text }) => text));
}

function wordsOf(line: PacketLine): string[] {
  const { from, to } = runner.ends(line);
  const { protocol, port, sourcePort } = line;
  const address = to.includes(":") ? `[${to}]` : to;
  return [
    protocol,
    sourcePort === undefined ? from : `${from}:${String(sourcePort)}`,
    port > 0 ? `${address}:${String(port)}` : to,
  ];
}

/** As the admin does it: types the command, or writes the line into the policy. */
async function mend(fix: string): Promise<void> {
  const inGuest = /^in (\w+): (.*)$/.exec(fix);
  if (/^(networks|guests|groups|host):/.test(fix)) {
    const policy: unknown = parse(readFileSync(virtwall.policyFile, "utf8"));
    writeFileSync(virtwall.policyFile, stringify(merged(policy, parse(fix))));
    run("apply");
  } else if (fix.startsWith("virtwall ")) {
    run(...fix.split(" ").slice(1));
    run("apply");
  } else if (inGuest !== null) {
    await world.inside(inGuest[1] ?? "", ["sh", "-c", inGuest[2] ?? ""]);
  } else await shell(fix);
}

/** Lists grow by what is to be added, single values are replaced. */
function merged(before: unknown, added: unknown): unknown {
  if (Array.isArray(before) && Array.isArray(added)) return [...before, ...added];
  if (!isMapping(before) || !isMapping(added)) return added;
  const changed = Object.entries(added).map(([key, value]) => [key, merged(before[key], value)]);
  return { ...before, ...Object.fromEntries(changed) };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function run(...words: readonly string[]): void {
  const { status, text } = virtwall.run(...words);
  expect(status, text).toBe(0);
}
