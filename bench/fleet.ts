import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LibvirtTexts } from "../src/model/source-text.ts";

/** A hypervisor's guests, most of them on paper: one of them answers. */
export interface Fleet {
  readonly guests: readonly FleetGuest[];
  readonly publications: readonly FleetPublication[];
  /** The guest that stands in the world, in the middle of the list. */
  readonly real: FleetGuest;
  /** The network filter of every nic. */
  readonly filter?: string;
}

export interface FleetGuest {
  readonly name: string;
  readonly tap: string;
  readonly mac: string;
  readonly address: string;
}

/** A TCP port of the host's that leads to {@link guestPort} of a guest. */
export interface FleetPublication {
  readonly guest: FleetGuest;
  readonly port: number;
}

export const bridge = "virbr0";
export const hostAddress = "198.51.100.1";
export const guestPort = 8000;
/** UDP, published to the real guest under the same number. */
export const streamPort = 7000;

const subnet = "10.20.0.0/16";
export const gateway = "10.20.0.1";
const firstPublicPort = 10_000;

export function makeFleet(guestCount: number, publicationsEach: number): Fleet {
  const guests = Array.from({ length: guestCount }, (_, i) => {
    const [high, low] = [Math.floor(i / 200) + 1, (i % 200) + 10];
    const hex = i.toString(16).padStart(4, "0");
    return {
      name: `guest${i}`,
      tap: `vnet${i}`,
      mac: `52:54:00:00:${hex.slice(0, 2)}:${hex.slice(2)}`,
      address: `10.20.${high}.${low}`,
    };
  });
  const publications = guests.flatMap((guest, i) =>
    Array.from({ length: publicationsEach }, (_, k) => ({
      guest,
      port: firstPublicPort + i * publicationsEach + k,
    })),
  );
  const real = guests[Math.floor(guestCount / 2)];
  if (real === undefined) throw new Error("a fleet has at least one guest");
  return { guests, publications, real };
}

/** The policy that publishes for the guests named; the real guest's stream port is always published. */
export function policyText(fleet: Fleet, publications: readonly FleetPublication[]): string {
  const portsOf = new Map(fleet.guests.map((guest) => [guest, [] as string[]]));
  for (const { guest, port } of publications) portsOf.get(guest)?.push(`tcp/${port}:${guestPort}`);
  portsOf.get(fleet.real)?.push(`udp/${streamPort}`);
  const guests = fleet.guests.flatMap((guest) => {
    const ports = portsOf.get(guest) ?? [];
    const list = ports.map((port) => `"${port}"`).join(", ");
    const publish = `    publish: [{ address: ${hostAddress}, ports: [${list}] }]`;
    const lines = [...(ports.length === 0 ? [] : [publish]), ...filterLines(fleet, guest)];
    return lines.length === 0 ? [] : [`  ${guest.name}:`, ...lines];
  });
  return ["guests:", ...guests, ""].join("\n");
}

function filterLines({ filter }: Fleet, { mac, address }: FleetGuest): string[] {
  if (filter === undefined) return [];
  return [`    nics: { "${mac}": { filter: ${filter}, parameters: { IP: ${address} } } }`];
}

/** What libvirt would say of the fleet. */
export function libvirtTexts(fleet: Fleet): LibvirtTexts {
  return {
    networks: [{ file: "networks/default.xml", text: networkXml }],
    guests: fleet.guests.map((guest) => ({
      file: `domains/${guest.name}.xml`,
      text: domainXml(guest),
    })),
    filters: [],
    leases: [{ file: `leases/${bridge}.status`, text: JSON.stringify(leaseEntries(fleet.guests)) }],
  };
}

/** What libvirt's dnsmasq helper writes of guests that have asked for an address. */
export function leaseEntries(guests: readonly FleetGuest[]): readonly object[] {
  return guests.map(({ address, mac }) => ({
    "ip-address": address,
    "mac-address": mac,
    "expiry-time": 4_000_000_000,
  }));
}

/** Writes the texts as a folder for `--inventory`. */
export function writeInventory(fleet: Fleet, folder: string): void {
  for (const name of ["domains", "networks", "leases"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const { networks, guests, leases } = libvirtTexts(fleet);
  for (const { file, text } of [...networks, ...guests, ...leases]) {
    writeFileSync(join(folder, file), text);
  }
}

const networkXml = `<network>
  <name>default</name>
  <uuid>0a0f2a2c-5d0e-4f4b-9d5c-6a1f3f0d0001</uuid>
  <forward mode='nat'/>
  <bridge name='${bridge}' stp='on' delay='0'/>
  <ip address='${gateway}' prefix='16'>
    <dhcp><range start='10.20.1.1' end='10.20.254.254'/></dhcp>
  </ip>
</network>
`;

/** What libvirt 11.3 tells of a guest that runs, recorded; without nics. */
const recordedXml = readFileSync(
  join(import.meta.dirname, "../../test/fixtures/libvirt-11/domains/nonic.xml"),
  "utf8",
);

export function domainXml({ name, tap, mac }: FleetGuest): string {
  const uuid = `0a0f2a2c-5d0e-4f4b-9d5c-${mac.replaceAll(":", "")}`;
  return recordedXml
    .replace(/<name>.*<\/name>/, `<name>${name}</name>`)
    .replace(/<uuid>.*<\/uuid>/, `<uuid>${uuid}</uuid>`)
    .replace("    <input ", `${nicXml(mac, tap)}    <input `);
}

function nicXml(mac: string, tap: string): string {
  return `    <interface type='network'>
      <mac address='${mac}'/>
      <source network='default' portid='9a717b00-7eca-4617-bc82-4b9acb7b9521' bridge='${bridge}'/>
      <target dev='${tap}'/>
      <model type='virtio'/>
      <alias name='net0'/>
      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
    </interface>
`;
}

/**
 * The same job in rules, as an admin writes it: one that rewrites for each publication. With iptables another one that accepts, as in
 * the hook scripts in use; with nft one that accepts all that was rewritten.
 */
export const peers = {
  nft: (publications: readonly FleetPublication[]): string =>
    [
      "table ip peer {",
      "chain prerouting {",
      "type nat hook prerouting priority dstnat; policy accept;",
      ...publications.map(
        ({ guest, port }) =>
          `ip daddr ${hostAddress} tcp dport ${port} dnat to ${guest.address}:${guestPort}`,
      ),
      "}",
      "chain postrouting {",
      "type nat hook postrouting priority srcnat; policy accept;",
      `ip saddr ${subnet} ip daddr != ${subnet} masquerade`,
      "}",
      "chain forward {",
      "type filter hook forward priority filter; policy drop;",
      "ct state established,related accept",
      `iifname "${bridge}" accept`,
      "ct status dnat accept",
      "}",
      "}",
      "",
    ].join("\n"),

  iptablesRestore: (publications: readonly FleetPublication[]): string =>
    [
      "*nat",
      `-A POSTROUTING -s ${subnet} ! -d ${subnet} -j MASQUERADE`,
      ...publications.map((publication) => `-A PREROUTING ${dnatMatch(publication)}`),
      "COMMIT",
      "*filter",
      ":FORWARD DROP [0:0]",
      "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
      `-A FORWARD -i ${bridge} -j ACCEPT`,
      ...publications.map((publication) => `-A FORWARD ${acceptMatch(publication)}`),
      "COMMIT",
      "",
    ].join("\n"),

  /** The hook script of libvirt's wiki: a process a rule. `-I` adds, `-D` removes. */
  hookScript: (publications: readonly FleetPublication[], verb: "-I" | "-D"): string =>
    [
      "set -e",
      ...publications.flatMap((publication) => [
        `iptables -t nat ${verb} PREROUTING ${dnatMatch(publication)}`,
        `iptables ${verb} FORWARD ${acceptMatch(publication)}`,
      ]),
      "",
    ].join("\n"),
};

function dnatMatch({ guest, port }: FleetPublication): string {
  return `-p tcp -d ${hostAddress} --dport ${port} -j DNAT --to-destination ${guest.address}:${guestPort}`;
}

function acceptMatch({ guest }: FleetPublication): string {
  return `-o ${bridge} -p tcp -d ${guest.address} --dport ${guestPort} -j ACCEPT`;
}
