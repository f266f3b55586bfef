import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { assertPrivateNamespace } from "../world/private-namespace.ts";
import { mustRun } from "../../lab/run-program.ts";
import type { Site } from "./daemon-program.ts";

/*
 * The namespace of the test is the host itself, with an /etc of its own. Of two networks one is ours, the other libvirt's; edge1 stands in
 * the uplink's own bridge.
 *
 *   web1 vnet0 -- virbr20 (10.20.0.1) host (198.51.100.1) eth0 -- wan0
 *                 virbr21 (10.21.0.1)      (203.0.113.1) eth1 -- wan1
 *                 br0 -- vnet1 edge1
 */
export const policy = `networks:
  front: { mode: nat }
guests:
  web1:
    publish:
      - { ports: [tcp/80, udp/45000] }
    nics:
      "52:54:00:20:00:11": { address: 10.20.0.11 }
`;

const networks = {
  front: { bridge: "virbr20", forward: "open", subnet: "10.20.0.1" },
  back: { bridge: "virbr21", forward: "nat", subnet: "10.21.0.1" },
} as const;

const links = `link add eth0 type veth peer name wan0
link add eth1 type veth peer name wan1
link add virbr20 address 52:54:00:20:00:01 type bridge
link add virbr21 type bridge
link add br0 type bridge
tuntap add dev vnet0 mode tap
tuntap add dev vnet1 mode tap
tuntap add dev vnet2 mode tap
link set vnet0 master virbr20
link set vnet2 master virbr20
link set vnet1 master br0
${["eth0", "wan0", "eth1", "wan1", "virbr20", "virbr21", "br0", "vnet0", "vnet1", "vnet2"]
  .map((name) => `link set ${name} up\n`)
  .join("")}addr add 198.51.100.1/24 dev eth0
addr add 2001:db8:1::1/64 dev eth0
addr add 203.0.113.1/24 dev eth1
addr add 10.20.0.1/24 dev virbr20
addr add fd00:20::1/64 dev virbr20
addr add 10.21.0.1/24 dev virbr21
route add default via 198.51.100.254 dev eth0
route add default via fe80::1 dev eth0 proto ra
`;

/** What a host has on which nothing is wrong. */
export const soundSettings: Readonly<Record<string, string>> = {
  "net.ipv4.ip_forward": "1",
  "net.ipv4.ip_local_reserved_ports": "45000",
  "net.ipv6.conf.all.forwarding": "1",
  "net.ipv6.conf.eth0.accept_ra": "2",
  "net.ipv4.conf.all.rp_filter": "0",
  "net.ipv4.conf.eth0.rp_filter": "0",
  "net.ipv4.conf.eth1.rp_filter": "0",
  "net.bridge.bridge-nf-call-iptables": "0",
  "net.bridge.bridge-nf-call-ip6tables": "0",
};

const layer = "/run/etc-of-doctor";

/** Makes the host. What it changes below /etc is gone with {@link unmakeHost}. */
export async function makeHost(site: Site): Promise<void> {
  assertPrivateNamespace();
  for (const name of ["upper", "work"]) mkdirSync(join(layer, name), { recursive: true });
  const options = `lowerdir=/etc,upperdir=${layer}/upper,workdir=${layer}/work`;
  await mustRun(["mount", "-t", "overlay", "overlay", "-o", options, "/etc"]);
  for (const folder of [
    "/etc/libvirt/hooks",
    "/etc/systemd/system",
    "/etc/ufw",
    "/etc/nftables.d",
  ]) {
    rmSync(folder, { recursive: true, force: true });
  }
  write("/etc/nftables.conf", "flush ruleset\n");
  write("/etc/libvirt/network.conf", 'firewall_backend = "iptables"\n');
  await ip(links);
  await setAll(soundSettings);
  await mustRun(["iptables-restore", "--noflush"], { input: libvirtRules });
  writeInventory(site.inventory);
}

export async function unmakeHost(): Promise<void> {
  const names = ["eth0", "eth1", "virbr20", "virbr21", "br0", "vnet0", "vnet1", "vnet2"];
  await ip(names.map((name) => `link del ${name}\n`).join(""));
  await mustRun(["umount", "/etc"]);
  rmSync(layer, { recursive: true });
}

/** As libvirt's iptables backend writes them for `back`, those that matter here. */
export const libvirtRules = `*filter
:LIBVIRT_FWI - [0:0]
-I FORWARD -j LIBVIRT_FWI
-A LIBVIRT_FWI -o virbr21 -j REJECT --reject-with icmp-port-unreachable
COMMIT
`;

export async function ip(lines: string): Promise<void> {
  await mustRun(["ip", "-batch", "-"], { input: lines });
}

export async function setAll(settings: Readonly<Record<string, string>>): Promise<void> {
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  await mustRun(["sysctl", "-q", "-w", ...words]);
}

/** With the folder that it needs. */
export function write(file: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode });
}

function writeInventory(folder: string): void {
  rmSync(folder, { recursive: true });
  for (const name of ["front", "back"] as const) writeNetwork(folder, name);
  writeGuest(folder, "web1", {
    type: "network",
    nic: "<mac address='52:54:00:20:00:11'/><source network='front' bridge='virbr20'/><target dev='vnet0'/>",
  });
  writeGuest(folder, "edge1", {
    type: "bridge",
    nic: "<mac address='52:54:00:20:00:12'/><source bridge='br0'/><target dev='vnet1'/><filterref filter='clean-traffic'/>",
  });
}

export function writeNetwork(folder: string, name: keyof typeof networks, inside = ""): void {
  const { bridge, forward, subnet } = networks[name];
  const v6 = name === "front" ? "<ip family='ipv6' address='fd00:20::1' prefix='64'/>" : "";
  write(
    join(folder, "networks", `${name}.xml`),
    `<network><name>${name}</name><forward mode='${forward}'/><bridge name='${bridge}'/>` +
      `<ip address='${subnet}' netmask='255.255.255.0'>${inside}</ip>${v6}</network>\n`,
  );
}

/** A guest that runs, with one nic. */
export function writeGuest(
  folder: string,
  name: string,
  { type, nic }: { readonly type: string; readonly nic: string },
): void {
  const uuid = `0d0c7c3e-0000-4000-8000-${Buffer.from(name).toString("hex").padStart(12, "0").slice(-12)}`;
  write(
    guestFile(folder, name),
    `<domain type='kvm' id='1'><name>${name}</name>` +
      `<uuid>${uuid}</uuid>` +
      `<devices><interface type='${type}'>${nic}</interface></devices></domain>\n`,
  );
}

export function guestFile(folder: string, name: string): string {
  return join(folder, "domains", `${name}.xml`);
}
