import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { projectRoot } from "../../lab/project-root.ts";
import { mustRun } from "../../lab/run-program.ts";

/** Ends of the wire between the test and a machine; each machine has a network of its own. */
export interface Wire {
  readonly tap: string;
  /** The test's. */
  readonly outside: string;
  /** The machine's. */
  readonly host: string;
}

export const guestAddress = "192.168.70.10";
export const guestMac = "52:54:00:70:00:10";

export async function layWire(number: number): Promise<Wire> {
  const wire = {
    tap: `wire${number}`,
    outside: `198.18.${number}.50`,
    host: `198.18.${number}.1`,
  };
  const { tap, outside, host } = wire;
  await mustRun(["ip", "tuntap", "add", "dev", tap, "mode", "tap"]);
  await mustRun(["ip", "address", "add", `${outside}/24`, "dev", tap]);
  await mustRun(["ip", "link", "set", tap, "up"]);
  // Known from the first second on, so that packets go out before anybody answers for the address.
  const neighbour = ["lladdr", hostMac, "dev", tap, "nud", "permanent"];
  await mustRun(["ip", "neighbour", "add", host, ...neighbour]);
  await mustRun(["ip", "route", "replace", `${guestAddress}/32`, "via", host, "dev", tap]);
  return wire;
}

/** QEMU's for a nic that is told none. */
const hostMac = "52:54:00:12:34:56";

/** Guests may do what the policy says; the host is open for one service alone. */
export const policy = (input = "tcp/22") => `host:
  uplinks: [eth0]
  input: [{ allow: [${input}] }]
groups:
  web:
    ingress: [{ allow: tcp/80 }]
    egress: [{ deny: udp/9001 }]
networks:
  lab: { mode: nat }
guests:
  web1:
    groups: [web]
    publish: [{ ports: tcp/8080:80 }]
`;

/** `nat`: libvirt has rules of its own for it. */
export type Forward = "open" | "nat";

export const networkXml = (forward: Forward) => `<network>
  <name>lab</name>
  <uuid>6b1c7c3e-0000-4000-8000-000000000070</uuid>
  <forward mode='${forward}'/>
  <bridge name='virbr70' stp='off'/>
  <mac address='52:54:00:70:00:01'/>
  <ip address='192.168.70.1' netmask='255.255.255.0'>
    <dhcp><host mac='${guestMac}' name='web1' ip='${guestAddress}'/></dhcp>
  </ip>
</network>
`;
const guest = `<domain type='kvm' id='1'>
  <name>web1</name>
  <uuid>0d0c7c3e-0000-4000-8000-000000000070</uuid>
  <devices>
    <interface type='network'>
      <mac address='${guestMac}'/>
      <source network='lab' bridge='virbr70'/>
      <target dev='vnet0'/>
    </interface>
  </devices>
</domain>
`;

const inventory = (forward: Forward) => ({
  "networks/lab.xml": networkXml(forward),
  "domains/web1.xml": guest,
});

/**
 * A host with one bridge and one guest, who are there before any firewall: the guest is a network namespace on a tap's name. Its
 * services listen from the first second, and the guest sends to the outside from then on.
 */
export function hostFiles({ host, outside }: Wire): Record<string, string> {
  const unit = (lines: string) => `[Unit]\nDefaultDependencies=no\n${lines}`;
  const early = "Before=network-pre.target virtwall-gate.service nftables.service\n";
  return {
    "etc/systemd/system/lab-guest.service": unit(`${early}[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'sysctl -qw net.ipv4.ip_forward=1; ip link add virbr70 type bridge; ip address add 192.168.70.1/24 dev virbr70; \\
  ip netns add guest; ip link add vnet0 type veth peer name eth0 netns guest address ${guestMac}; \\
  ip link set vnet0 master virbr70 up; ip link set virbr70 up; ip -n guest address add ${guestAddress}/24 dev eth0; \\
  ip -n guest link set eth0 up; ip -n guest link set lo up; ip -n guest route add default via 192.168.70.1'
`),
    "etc/systemd/system/lab-guest-udp.service": guestProgram("echo.pl udp 7"),
    "etc/systemd/system/lab-guest-tcp.service": guestProgram("echo.pl tcp 80 81"),
    "etc/systemd/system/lab-guest-send.service": guestProgram(`send.pl ${outside} 9000 9001`),
    "etc/systemd/system/lab-udp.service": unit(`${early}[Service]
ExecStart=/usr/bin/perl /usr/local/sbin/echo.pl udp 7777
`),
    "etc/systemd/system/lab-tcp.service": unit(`${early}[Service]
ExecStart=/usr/bin/perl /usr/local/sbin/echo.pl tcp 22 8006
`),
    // As the distribution's own programs for networks are ordered.
    "etc/systemd/system/lab-network.service": unit(`Wants=network-pre.target network.target
After=network-pre.target
Before=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'ip address add ${host}/24 dev eth0; ip link set eth0 up; ip route add default via ${outside}; ${say(outside, 9999)}'
`),
    // Stops after all others, and holds the end up until twenty more have been let in by what is left of firewalls.
    "etc/systemd/system/lab-last.service": unit(`Conflicts=shutdown.target
Before=shutdown.target virtwall-gate.service nftables.service ufw.service firewalld.service docker.service libvirtd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/usr/local/sbin/lab-last
TimeoutStopSec=60
`),
    "usr/local/sbin/lab-last": `#!/bin/sh
opened() { awk '/^Tcp: [0-9]/ { print $7 }' /proc/net/snmp; }
enough=$(($(opened) + 20))
${say(outside, 9998)}
until [ "$(opened)" -ge $enough ]; do sleep 0.1; done
`,
    "etc/systemd/system/virtwall.service.d/lab.conf":
      "[Service]\nExecStart=\nExecStart=/usr/bin/virtwall daemon --inventory /etc/lab-inventory\n",
    ...slowStarts,
    "etc/virtwall/policy.yaml": policy(),
    ...Object.fromEntries(
      Object.entries(inventory("open")).map(([name, text]) => [`etc/lab-inventory/${name}`, text]),
    ),
  };
}

/** An emulated machine that has half a processor starts a Node in a minute, which is all that the units have. */
const slowStarts = {
  "etc/systemd/system.conf.d/slow.conf":
    "[Manager]\nDefaultTimeoutStartSec=300\nDefaultDeviceTimeoutSec=300\n",
  ...Object.fromEntries(
    ["virtwall-gate", "virtwall-early", "virtwall"].map((unit) => [
      `etc/systemd/system/${unit}.service.d/slow.conf`,
      "[Service]\nTimeoutStartSec=300\n",
    ]),
  ),
};

const say = (address: string, port: number) =>
  `perl -MSocket -e "socket(S, PF_INET, SOCK_DGRAM, 0); send(S, q(now), 0, sockaddr_in(${port}, inet_aton(q(${address}))))"`;

const guestProgram = (program: string) => `[Unit]
DefaultDependencies=no
Requires=lab-guest.service
After=lab-guest.service
[Service]
NetworkNamespacePath=/run/netns/guest
ExecStart=/usr/bin/perl /usr/local/sbin/${program}
`;

export const hostUnits = [
  "lab-guest.service",
  "lab-guest-udp.service",
  "lab-guest-tcp.service",
  "lab-guest-send.service",
  "lab-udp.service",
  "lab-tcp.service",
  "lab-network.service",
  "lab-last.service",
];

export const ownUnits = {
  "sysinit.target": ["virtwall-gate.service", "virtwall-early.service"],
  "multi-user.target": ["virtwall.service"],
};

/** What a virtwall that had this host's policy in force leaves behind. */
export async function stateFiles(
  { host }: Wire,
  forward: Forward,
): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-state-"));
  try {
    const write = async (name: string, text: string) => {
      await mkdir(join(folder, name, ".."), { recursive: true });
      await writeFile(join(folder, name), text);
    };
    for (const [name, text] of Object.entries(inventory(forward)))
      await write(`inventory/${name}`, text);
    const uplink = { name: "eth0", addresses: [host], hasDefaultRoute: true };
    await write("inventory/host.json", JSON.stringify([uplink]));
    await write("policy.yaml", policy());
    const words =
      "--policy policy.yaml --inventory inventory --state state --socket run/daemon.sock";
    const program = ["node", join(projectRoot(), "bin/virtwall"), "apply", ...words.split(" ")];
    await mustRun([
      "unshare",
      "--net",
      "sh",
      "-c",
      'cd "$1"; shift; exec "$@"',
      "sh",
      folder,
      ...program,
    ]);
    const names = ["boot.nft", "last-good-policy.json"];
    const texts = await Promise.all(
      names.map((name) => readFile(join(folder, "state", name), "utf8")),
    );
    const own = (text: string) =>
      text.replaceAll(join(folder, "policy.yaml"), "/etc/virtwall/policy.yaml");
    return Object.fromEntries(
      names.map((name, index) => [`var/lib/virtwall/${name}`, own(texts[index] ?? "")]),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
