import type { World } from "../world.ts";
import type { ForeignFirewall } from "./foreign-firewall.ts";
import { nftFile } from "./rulesets.ts";

/*
 * What libvirt 11.3 writes for the networks of test/inventories/modes, with each of its backends: the shapes were recorded from Debian
 * 13 on networks of these modes; libvirt itself is in test/libvirt.
 */
interface Ruled {
  readonly bridge: string;
  readonly prefixes: Readonly<Record<4 | 6, string>>;
  readonly mode: "nat" | "route" | "isolated";
}

const networks: readonly Ruled[] = [
  ruled("virbr50", 50, "nat"),
  ruled("virbr51", 51, "route"),
  ruled("virbr52", 52, "isolated"),
];

function ruled(bridge: string, number: number, mode: Ruled["mode"]): Ruled {
  return { bridge, mode, prefixes: { 4: `10.${number}.0.0/24`, 6: `fd00:${number}::/64` } };
}

const families = [4, 6] as const;

/** Without `<nat ipv6='yes'>` guests of a NAT network are routed over IPv6. */
function isNat({ mode }: Ruled, family: 4 | 6): boolean {
  return mode === "nat" && family === 4;
}

export function libvirtNftables(world: World): ForeignFirewall {
  const tables = families.map((family) => (family === 4 ? "ip" : "ip6"));
  const end = tables.map((family) => `delete table ${family} libvirt_network\n`).join("");
  const anew = tables.map((family) => `add table ${family} libvirt_network\n`).join("") + end;
  return nftFile(world, anew + families.map(nftTable).join(""), end);
}

function nftTable(family: 4 | 6): string {
  const ip = family === 4 ? "ip" : "ip6";
  const chain = (name: string, rules: readonly string[]) =>
    `\tchain ${name} {\n${rules.map((each) => `\t\t${each}\n`).join("")}\t}\n`;
  const jumps = ["guest_cross", "guest_input", "guest_output"].map((to) => `counter jump ${to}`);
  const input = networks.flatMap((network) => {
    const { bridge, mode, prefixes } = network;
    const state = isNat(network, family) ? " ct state established,related" : "";
    const way = `oif "${bridge}" ${ip} daddr ${prefixes[family]}${state} counter accept`;
    return [...(mode === "isolated" ? [] : [way]), `oif "${bridge}" counter reject`];
  });
  const output = networks.flatMap(({ bridge, mode, prefixes }) => {
    const way = `${ip} saddr ${prefixes[family]} iif "${bridge}" counter accept`;
    return [...(mode === "isolated" ? [] : [way]), `iif "${bridge}" counter reject`];
  });
  const nat = networks
    .filter((network) => isNat(network, family))
    .map(({ prefixes: { 4: own } }) => `ip saddr ${own} ip daddr != ${own} counter masquerade`);
  const parts = [
    chain("forward", ["type filter hook forward priority 0; policy accept;", ...jumps]),
    chain("guest_nat", ["type nat hook postrouting priority 100; policy accept;", ...nat]),
  ];
  const own = [
    chain("guest_output", output),
    chain("guest_input", input),
    chain(
      "guest_cross",
      networks.map(({ bridge }) => `iif "${bridge}" oif "${bridge}" counter accept`),
    ),
  ];
  return `table ${ip} libvirt_network {\n${[...own, ...parts].join("")}}\n`;
}

export function libvirtIptables(world: World): ForeignFirewall {
  const load = async (text: (family: 4 | 6) => string) => {
    for (const family of families) {
      await world.onHost([`ip${family === 4 ? "" : "6"}tables-restore`], text(family));
    }
  };
  return {
    start: () => load(savedTables),
    restart: () => load(savedTables),
    stop: () => load(() => "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n*nat\nCOMMIT\n"),
    listing: async () => {
      const text = await world.onHost(["sh", "-c", "iptables-save; ip6tables-save"]);
      return text.replaceAll(/^#.*\n/gm, "").replaceAll(/ \[\d+:\d+\]$/gm, "");
    },
    close: () => Promise.resolve(),
  };
}

function savedTables(family: 4 | 6): string {
  const filter = ["FWI", "FWO", "FWX", "INP", "OUT"].map((name) => `:LIBVIRT_${name} - [0:0]`);
  const rules = networks.flatMap((network) => {
    const { bridge, mode, prefixes } = network;
    const state = isNat(network, family) ? " -m conntrack --ctstate RELATED,ESTABLISHED" : "";
    const ways = [
      `-A LIBVIRT_FWI -d ${prefixes[family]} -o ${bridge}${state} -j ACCEPT`,
      `-A LIBVIRT_FWO -s ${prefixes[family]} -i ${bridge} -j ACCEPT`,
    ];
    return [
      ...(mode === "isolated" ? [] : ways),
      `-A LIBVIRT_FWI -o ${bridge} -j REJECT`,
      `-A LIBVIRT_FWO -i ${bridge} -j REJECT`,
      `-A LIBVIRT_FWX -i ${bridge} -o ${bridge} -j ACCEPT`,
      `-A LIBVIRT_INP -i ${bridge} -p udp -m udp --dport ${family === 4 ? 67 : 547} -j ACCEPT`,
      `-A LIBVIRT_INP -i ${bridge} -p udp -m udp --dport 53 -j ACCEPT`,
      `-A LIBVIRT_OUT -o ${bridge} -p udp -m udp --dport 53 -j ACCEPT`,
    ];
  });
  const nat = networks
    .filter((network) => isNat(network, family))
    .map(({ prefixes: { 4: own } }) => `-A LIBVIRT_PRT -s ${own} ! -d ${own} -j MASQUERADE`);
  return [
    "*filter",
    ":INPUT ACCEPT [0:0]",
    ":FORWARD ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ...filter,
    "-A INPUT -j LIBVIRT_INP",
    ...["FWX", "FWI", "FWO"].map((name) => `-A FORWARD -j LIBVIRT_${name}`),
    "-A OUTPUT -j LIBVIRT_OUT",
    ...rules,
    "COMMIT",
    "*nat",
    ":LIBVIRT_PRT - [0:0]",
    "-A POSTROUTING -j LIBVIRT_PRT",
    ...nat,
    "COMMIT",
    "",
  ].join("\n");
}
