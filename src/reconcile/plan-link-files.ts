import { familyOf, type Family } from "../base/address.ts";
import type { LinkAddress, LinkManager } from "../ports/host-facts.ts";

/** What is to be written, by a person. */
export interface PlannedFile {
  readonly path: string;
  readonly text: string;
}

/** How the host is to stand on the WAN: `nic` becomes a port of the bridge `wan`, and the host's own addresses go to a leg. */
export interface WanLinks {
  readonly nic: string;
  readonly wan: string;
  readonly addresses: readonly LinkAddress[];
  /** By family, where there is one. */
  readonly gateways: ReadonlyMap<Family, string>;
  /** Families whose addresses come from the network: DHCP, router advertisements. */
  readonly automatic: ReadonlySet<Family>;
}

/** The pair of which one end is a port of the bridge, and the other is the host's. */
export const leg = { own: "wan-host", port: "wan-port" } as const;

/** Files that make the links whenever the host starts. */
export function linkFiles(kind: LinkManager["kind"], links: WanLinks): PlannedFile[] {
  return writers[kind](links);
}

const writers = {
  "systemd-networkd": networkdFiles,
  NetworkManager: networkManagerFiles,
  ifupdown: ifupdownFiles,
} as const;

/** Those to be kept and written down. */
function fixedAddresses({ addresses, automatic }: WanLinks, family: Family): string[] {
  if (automatic.has(family)) return [];
  return addresses
    .filter(({ address, isAutomatic }) => familyOf(address) === family && !isAutomatic)
    .map(({ address, prefix }) => `${address}/${prefix.length}`);
}

type Sections = Readonly<Record<string, readonly string[]>>;

/** As systemd and NetworkManager write their files. */
function sectionsText(sections: Sections): string {
  const texts = Object.entries(sections).map(
    ([name, lines]) => `${[`[${name}]`, ...lines].join("\n")}\n`,
  );
  return texts.join("\n");
}

function networkdFiles(links: WanLinks): PlannedFile[] {
  const { nic, wan, gateways, automatic } = links;
  const mute = ["LinkLocalAddressing=no", "IPv6AcceptRA=no", "LLDP=no"];
  const file = (name: string, sections: Sections) => ({
    path: `/etc/systemd/network/10-${name}`,
    text: sectionsText(sections),
  });
  const matching = (name: string, ...lines: readonly string[]) =>
    file(`${name}.network`, { Match: [`Name=${name}`], Network: lines });
  const fixed = ([4, 6] as const).flatMap((family) => {
    const gateway = automatic.has(family) ? undefined : gateways.get(family);
    return [
      ...fixedAddresses(links, family).map((address) => `Address=${address}`),
      ...(gateway === undefined ? [] : [`Gateway=${gateway}`]),
    ];
  });
  return [
    file(`${wan}.netdev`, {
      NetDev: [`Name=${wan}`, "Kind=bridge"],
      Bridge: ["STP=no", "ForwardDelaySec=0"],
    }),
    matching(wan, ...mute, "ConfigureWithoutCarrier=yes"),
    matching(nic, `Bridge=${wan}`, ...mute),
    file(`${leg.own}.netdev`, {
      NetDev: [`Name=${leg.own}`, "Kind=veth"],
      Peer: [`Name=${leg.port}`],
    }),
    matching(leg.port, `Bridge=${wan}`, ...mute),
    matching(
      leg.own,
      ...(automatic.has(4) ? ["DHCP=ipv4"] : []),
      `IPv6AcceptRA=${automatic.has(6) ? "yes" : "no"}`,
      ...fixed,
    ),
  ];
}

function ifupdownFiles(links: WanLinks): PlannedFile[] {
  const { nic, wan, gateways, automatic } = links;
  const families = ([4, 6] as const).flatMap((family): string[] => {
    const inet = family === 4 ? "inet" : "inet6";
    if (automatic.has(family)) {
      return [`iface ${leg.own} ${inet} ${family === 4 ? "dhcp" : "auto"}`, ""];
    }
    const [first, ...more] = fixedAddresses(links, family);
    if (first === undefined) return [];
    const gateway = gateways.get(family);
    return [
      `iface ${leg.own} ${inet} static`,
      `    address ${first}`,
      ...(gateway === undefined ? [] : [`    gateway ${gateway}`]),
      ...more.map((address) => `    up ip address add ${address} dev ${leg.own}`),
      "",
    ];
  });
  const lines = [
    `auto ${wan}`,
    `iface ${wan} inet manual`,
    `    pre-up ip link add ${wan} type bridge stp_state 0 forward_delay 0 || true`,
    `    pre-up ip link add ${leg.own} type veth peer name ${leg.port} || true`,
    // By a stanza \`manual\` ifdown takes nothing away that another one has put there (ifupdown 0.8.44).
    `    pre-up ip addr flush dev ${nic}`,
    `    pre-up ip link set ${nic} master ${wan} up`,
    `    pre-up ip link set ${leg.port} master ${wan} up`,
    `    up ip link set ${wan} up`,
    `    down ip link del ${leg.own}`,
    `    down ip link del ${wan}`,
    "",
    `auto ${leg.own}`,
    ...families,
  ];
  return [{ path: `/etc/network/interfaces.d/${wan}`, text: lines.join("\n") }];
}

/** Its rule of udev leaves pairs alone (85-nm-unmanaged.rules, 1.52), so that a start of the host would bring up no leg. */
function networkManagerFiles(links: WanLinks): PlannedFile[] {
  const { nic, wan } = links;
  const profile = (name: string, type: string, sections: Sections) => ({
    path: `/etc/NetworkManager/system-connections/${name}.nmconnection`,
    text: sectionsText({
      ...sections,
      connection: [
        `id=${name}`,
        `type=${type}`,
        `interface-name=${name}`,
        ...(sections["connection"] ?? []),
      ],
    }),
  });
  const port = [`master=${wan}`, "slave-type=bridge"];
  const none = ["method=disabled"];
  return [
    profile(wan, "bridge", { bridge: ["stp=false"], ipv4: none, ipv6: none }),
    profile(nic, "ethernet", { connection: port }),
    profile(leg.port, "veth", { connection: port, veth: [`peer=${leg.own}`] }),
    profile(leg.own, "veth", {
      veth: [`peer=${leg.port}`],
      ipv4: networkManagerFamily(links, 4),
      ipv6: networkManagerFamily(links, 6),
    }),
    {
      path: "/etc/NetworkManager/conf.d/60-firewall-vm.conf",
      text: sectionsText({
        "device-firewall-vm": [
          `match-device=interface-name:${leg.own},interface-name:${leg.port}`,
          "managed=1",
        ],
      }),
    },
  ];
}

function networkManagerFamily(links: WanLinks, family: Family): string[] {
  if (links.automatic.has(family)) return ["method=auto"];
  const addresses = fixedAddresses(links, family);
  if (addresses.length === 0) return ["method=disabled"];
  const gateway = links.gateways.get(family);
  return [
    "method=manual",
    ...addresses.map((address, index) => `address${index + 1}=${address}`),
    ...(gateway === undefined ? [] : [`gateway=${gateway}`]),
  ];
}
