import type { Family } from "../../../src/base/address.ts";
import { timeAway, type Dice } from "./dice.ts";

/*
 * Rules as text that iptables-restore takes, with the matches that hosts' firewalls print. What nft lists of most of them is a name
 * alone, so it is iptables-save's words that are held to the kernel here.
 */

type Make = (dice: Dice, family: Family) => string;

const not = (dice: Dice) => (dice.chance(25) ? "! " : "");
const addresses = {
  4: ["10.0.1.2", "10.0.1.0/24", "10.0.2.2", "10.0.3.0/29", "198.51.100.7"],
  6: ["fd01::2", "fd01::/64", "fd02::2", "fd03::/125", "2001:db8::7"],
} as const;
const ports = ["22", "53", "80", "443", "1000", "8080"];

const base: readonly Make[] = [
  (dice, family) => `${not(dice)}-s ${dice.pick(addresses[family])}`,
  (dice, family) => `${not(dice)}-d ${dice.pick(addresses[family])}`,
  (dice) => `-m mark --mark ${String(dice.between(0, 3))}/0x3`,
  (dice) =>
    `-m conntrack ${not(dice)}--ctstate ${dice.pick(["NEW", "RELATED,ESTABLISHED", "INVALID"])}`,
  (dice) => `-m conntrack --ctstate ${dice.pick(["DNAT", "SNAT"])}`,
  (dice) => `-m conntrack --ctdir ${dice.pick(["ORIGINAL", "REPLY"])}`,
  (dice) =>
    `-m addrtype ${not(dice)}--${dice.pick(["src", "dst"])}-type ${dice.pick(["LOCAL", "MULTICAST"])}`,
  (dice) => `-m physdev ${not(dice)}--physdev-in ${dice.pick(["one", "two", "o+", "left"])}`,
  (dice) => `-m physdev ${not(dice)}--physdev-is-${dice.pick(["in", "bridged"])}`,
  (dice) => `-m length ${not(dice)}--length ${dice.pick(["20:60", "40", ":50"])}`,
  (dice) => `-m dscp ${not(dice)}--dscp ${dice.pick(["0x00", "0x08", "0x2e"])}`,
  (dice, family) => atTimes(dice, family),
  (dice) => `-m pkttype ${not(dice)}--pkt-type ${dice.pick(["unicast", "multicast"])}`,
  (dice) => `-m comment --comment "-j ${dice.pick(["x", "DROP", "-m set"])}"`,
  (dice) =>
    dice.pick([
      "-m limit --limit 5/sec",
      "-m hashlimit --hashlimit-upto 5/sec --hashlimit-mode srcip --hashlimit-name h",
      "-m statistic --mode random --probability 0.5",
    ]),
];
const atTimes: Make = (dice) => {
  const [start = "", stop = ""] = [1, 2].map(() => timeAway(dice.between(-11, 11)).time);
  const days = dice.pick(["", " --weekdays Sat,Sun", " --weekdays Mon", " --monthdays 1,2,22"]);
  const flags = [
    // iptables takes it for times over midnight alone.
    ...(stop < start && dice.chance(50) ? [" --contiguous"] : []),
    ...(dice.chance(20) ? [" --kerneltz"] : []),
  ];
  return `-m time --timestart ${start} --timestop ${stop}${days}${flags.join("")}`;
};
const ofFamily: Readonly<Record<Family, readonly Make[]>> = {
  4: [
    (dice) => `-m ttl --ttl-${dice.pick(["eq", "lt", "gt"])} ${dice.pick(["76", "77"])}`,
    (dice) => `-m iprange ${not(dice)}--src-range 10.0.1.2-10.0.2.2`,
    (dice) => `-m addrtype --dst-type ${dice.pick(["UNICAST", "LOCAL,BROADCAST"])}`,
  ],
  6: [
    (dice) => `-m hl --hl-${dice.pick(["eq", "lt", "gt"])} ${dice.pick(["76", "77"])}`,
    () => "-m rt --rt-type 0",
  ],
};
const ofProtocol: readonly Make[] = [
  (dice) =>
    `-p tcp -m multiport ${not(dice)}--${dice.pick(["ports", "dports", "sports"])} ${dice.some(ports).join(",")}`,
  (dice) => `-p udp -m multiport ${not(dice)}--ports ${dice.pick(["1:100,443", "1024:40000"])}`,
  (dice) => `-p ${dice.pick(["tcp", "udp"])} ${not(dice)}--dport ${dice.pick([...ports, "1:100"])}`,
  (dice) =>
    `-p tcp --tcp-flags ${dice.pick(["SYN,ACK,FIN,RST SYN", "ALL NONE", "SYN,ACK SYN,ACK"])}`,
  (dice) => `-p tcp ${not(dice)}--syn`,
  () => "-p tcp -m tcp --tcp-option 2",
];

interface Place {
  readonly table: string;
  readonly chain: string;
  readonly family: Family;
}

function matches(dice: Dice, place: Place): string {
  const { family } = place;
  const pool = [...base, ...ofFamily[family], ...ofPlace(place)];
  const first = dice.chance(50) ? [dice.pick(ofProtocol)(dice, family)] : [];
  const more = dice.times(dice.pick([0, 1, 1, 2]), () => dice.pick(pool)(dice, family));
  // Base options come first, and each of them once.
  const texts = [...first, ...more].toSorted(
    (a, b) => Number(a.startsWith("-m")) - Number(b.startsWith("-m")),
  );
  const seen = new Set<string>();
  return texts
    .filter((text) => {
      const option = /(?:^|! )(-[sdp]|-m \S+)/.exec(text)?.[1] ?? text;
      const isNew = !seen.has(option);
      seen.add(option);
      return isNew;
    })
    .join(" ");
}

/** Those that the kernel takes there alone. */
function ofPlace({ table, chain }: Place): readonly Make[] {
  const isEarly = chain === "PREROUTING" && table !== "nat";
  const isIn = chain === "PREROUTING" || chain === "INPUT";
  return [
    ...(chain === "FORWARD" ? [physicalOut] : []),
    ...(isEarly ? [reversePath, reversePath] : []),
    ...(isIn && table === "mangle"
      ? [() => "-m socket --transparent", () => "-m socket --nowildcard"]
      : []),
    ...(isIn ? [() => "-m policy --dir in --pol none"] : []),
  ];
}

const physicalOut: Make = (dice) =>
  `-m physdev ${not(dice)}--physdev-out ${dice.pick(["one", "two"])}`;
const reversePath: Make = (dice) =>
  `-m rpfilter${dice.chance(40) ? " --loose" : ""}${dice.chance(40) ? " --validmark" : ""}${dice.chance(50) ? " --invert" : ""}`;

const proxyEnd = "-j TPROXY --on-port 5000 --tproxy-mark 0x1/0x1";

function target(dice: Dice, { table, chain, family }: Place): string {
  const ends = ["-j ACCEPT", "-j DROP", "-j RETURN", "-j sub", "-g sub"];
  if (table !== "nat")
    ends.push("-j NFQUEUE --queue-num 1", "-j NFQUEUE --queue-balance 1:3 --queue-bypass");
  if (table === "mangle" && chain === "PREROUTING") ends.push(proxyEnd);
  if (table === "mangle") {
    ends.push(
      "-j MARK --set-xmark 0x1/0xffffffff",
      "-j MARK --set-xmark 0x2/0x2",
      "-j CONNMARK --save-mark --nfmask 0x3 --ctmask 0x3",
      "-j CONNMARK --restore-mark --nfmask 0x3 --ctmask 0xffffffff",
      "-j CONNMARK --set-xmark 0x4/0xff",
    );
  }
  if (table === "filter" && chain !== "sub") ends.push("-j REJECT");
  if (table === "nat") {
    const [left, right] = family === 4 ? ["10.0.1.3", "10.0.2.4"] : ["fd01::3", "fd02::4"];
    const to = dice.pick([left, right]);
    return chain === "POSTROUTING" ? `-j SNAT --to-source ${to}` : `-j DNAT --to-destination ${to}`;
  }
  return dice.pick(ends);
}

const chainsOf: Readonly<Record<string, readonly string[]>> = {
  raw: ["PREROUTING", "OUTPUT"],
  mangle: ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
  filter: ["INPUT", "FORWARD", "OUTPUT"],
  nat: ["PREROUTING", "OUTPUT", "POSTROUTING"],
};

export function randomIptables(dice: Dice, family: Family): string {
  const tables = dice.some(Object.keys(chainsOf), 60);
  return tables.map((table) => randomTable(dice, table, family)).join("");
}

function randomTable(dice: Dice, table: string, family: Family): string {
  const chains = chainsOf[table] ?? [];
  const policy = () => (table === "filter" && dice.chance(20) ? "DROP" : "ACCEPT");
  const heads = [...chains.map((chain) => `:${chain} ${policy()} [0:0]`), ":sub - [0:0]"];
  const rules = [...chains, "sub"].flatMap((chain) =>
    dice.times(dice.between(0, 4), () => {
      const place = { table, chain, family };
      const end =
        chain === "sub" ? dice.pick(["-j ACCEPT", "-j DROP", "-j RETURN"]) : target(dice, place);
      const text = matches(dice, place);
      // It is for protocols with ports alone.
      return end === proxyEnd ? `-A ${chain} -p tcp ${end}` : `-A ${chain} ${text} ${end}`;
    }),
  );
  const lines = table === "nat" ? rules.filter((rule) => !rule.startsWith("-A sub")) : rules;
  return `*${table}\n${[...heads, ...lines].join("\n")}\nCOMMIT\n`;
}
