import { timeAway, type Dice } from "./dice.ts";

/** Where a rule stands; a chain without a hook may be reached from any. */
export interface Place {
  readonly family: "inet" | "ip" | "ip6" | "bridge";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting" | undefined;
  /** Chains that it may jump to. */
  readonly regular: readonly string[];
}

type Make = (dice: Dice, place: Place) => string;

const addresses4 = [
  "10.0.1.1",
  "10.0.1.2",
  "10.0.1.3",
  "10.0.2.1",
  "10.0.2.2",
  "10.0.2.4",
  "10.0.3.1",
  "10.0.3.2",
  "10.0.3.4",
  "198.51.100.7",
];
const addresses6 = [
  "fd01::1",
  "fd01::2",
  "fd01::3",
  "fd02::1",
  "fd02::2",
  "fd02::4",
  "fd03::1",
  "fd03::2",
  "fd03::4",
];
const ports = ["22", "53", "80", "443", "1000", "8080"];
const interfaces = ["left", "right", "br0", "one", "two", "lo"];

const end4: Make = (dice) => dice.pick(["saddr", "daddr"]);
const not = (dice: Dice) => (dice.chance(20) ? "!= " : "");
const braces = (items: readonly string[]) => `{ ${items.join(", ")} }`;

const matches4: readonly Make[] = [
  (dice, place) => `ip ${end4(dice, place)} ${not(dice)}${dice.pick(addresses4)}`,
  (dice, place) =>
    `ip ${end4(dice, place)} ${not(dice)}${dice.pick(["10.0.1.0/24", "10.0.2.0/30", "10.0.0.0/16", "0.0.0.0/0"].slice(0, 3))}`,
  (dice, place) => `ip ${end4(dice, place)} ${not(dice)}10.0.1.2-10.0.2.2`,
  (dice, place) => `ip ${end4(dice, place)} ${not(dice)}${braces(dice.some(addresses4))}`,
  (dice, place) => `ip ${end4(dice, place)} ${not(dice)}@${dice.pick(["four", "nets"])}`,
  (dice, place) =>
    `ip ${end4(dice, place)} & 0.0.0.255 ${dice.pick(["==", "!="])} 0.0.0.${String(dice.between(1, 4))}`,
  (dice, place) => `ip ${end4(dice, place)} . tcp dport ${not(dice)}@sockets`,
  (dice) => `ip saddr . meta l4proto . th dport ${not(dice)}@ranges`,
  (dice) => `ip protocol ${not(dice)}${dice.pick(["tcp", "udp", "icmp", "{ tcp, udp }"])}`,
  (dice) => `ip ttl ${dice.pick(["<", ">", "!=", ">="])} ${dice.pick(["64", "76", "77"])}`,
  (dice) => `ip dscp ${not(dice)}${dice.pick(["cs0", "cs1", "af11", "ef", "46"])}`,
  (dice) => `ip length ${dice.pick(["<", ">"])} ${dice.pick(["40", "60"])}`,
  (dice) =>
    `icmp type ${not(dice)}${dice.pick(["echo-request", "echo-reply", "{ echo-request, echo-reply }"])}`,
  () => "@nh,72,8 6",
  () => "@nh,128,16 0x0a00",
  (dice) =>
    `ip saddr . ip daddr ${braces(dice.some(addresses4).map((address) => `${address} . ${dice.pick(addresses4)}`))}`,
  (dice) => `add @seen { ip ${dice.pick(["saddr", "daddr"])} }`,
  (dice) => `ip saddr ${not(dice)}@seen`,
  (dice) => `meta mark set ip ${dice.pick(["saddr", "daddr"])} map @marks`,
];

const matches6: readonly Make[] = [
  (dice, place) => `ip6 ${end4(dice, place)} ${not(dice)}${dice.pick(addresses6)}`,
  (dice, place) =>
    `ip6 ${end4(dice, place)} ${not(dice)}${dice.pick(["fd01::/64", "fd02::/127", "fd00::/8"])}`,
  (dice, place) => `ip6 ${end4(dice, place)} ${not(dice)}${braces(dice.some(addresses6))}`,
  (dice, place) => `ip6 ${end4(dice, place)} ${not(dice)}@six`,
  (dice) => `ip6 nexthdr ${not(dice)}${dice.pick(["tcp", "udp", "ipv6-icmp"])}`,
  (dice) => `ip6 hoplimit ${dice.pick(["<", ">", "!="])} ${dice.pick(["64", "76", "77"])}`,
  (dice) => `ip6 dscp ${not(dice)}${dice.pick(["cs0", "cs1", "ef"])}`,
  (dice) =>
    `icmpv6 type ${not(dice)}${dice.pick(["echo-request", "echo-reply", "{ echo-request, nd-neighbor-solicit }"])}`,
];

const matchesUpper: readonly Make[] = [
  (dice) => `tcp ${dice.pick(["dport", "sport"])} ${not(dice)}${dice.pick(ports)}`,
  (dice) => `udp ${dice.pick(["dport", "sport"])} ${not(dice)}${dice.pick(ports)}`,
  (dice) =>
    `${dice.pick(["tcp", "udp", "th"])} ${dice.pick(["dport", "sport"])} ${not(dice)}${dice.pick(["1-100", "400-2000", "20000-40000"])}`,
  (dice) => `${dice.pick(["tcp", "udp"])} dport ${not(dice)}${braces(dice.some(ports))}`,
  (dice) => `th ${dice.pick(["dport", "sport"])} ${not(dice)}@ports`,
  (dice) =>
    `${dice.pick(["tcp", "udp"])} dport ${dice.pick(["<", ">", "<=", ">="])} ${dice.pick(ports)}`,
  (dice) =>
    `meta l4proto ${not(dice)}${dice.pick(["tcp", "udp", "icmp", "ipv6-icmp", "{ tcp, udp }", "{ icmp, ipv6-icmp }"])}`,
  (dice) =>
    `tcp flags ${dice.pick(["syn", "ack", "syn,ack", "!= syn", "== syn", "& (fin | syn | rst | ack) == syn", "& (syn | ack) != syn"])}`,
  () => "@th,16,16 80",
  () => "@th,104,8 & 0x12 == 0x02",
  (dice) => `meta length ${dice.pick(["<", ">"])} ${dice.pick(["40", "60", "80"])}`,
  (dice) => `udp length ${dice.pick(["<", ">"])} 12`,
];

const matchesAny: readonly Make[] = [
  (dice) => `${dice.pick(["iifname", "oifname"])} ${not(dice)}"${dice.pick(interfaces)}"`,
  (dice) => `${dice.pick(["iif", "oif"])} ${not(dice)}"${dice.pick(["left", "right", "br0"])}"`,
  (dice) =>
    `${dice.pick(["iifname", "oifname"])} ${not(dice)}${dice.pick(['"l*"', '"r*"', '"br*"', '"o*"'])}`,
  (dice) => `${dice.pick(["iifname", "oifname"])} ${not(dice)}@names`,
  (dice) => `iifname . oifname ${not(dice)}{ "left" . "right", "left" . "br0", "one" . "two" }`,
  (dice) => `meta mark ${not(dice)}${dice.pick(["0", "1", "2", "1-3", "{ 1, 4 }"])}`,
  (dice) => `meta mark & 0x3 ${dice.pick(["==", "!="])} 0x${String(dice.between(0, 3))}`,
  (dice) =>
    `meta mark set ${dice.pick(["0x1", "0x2", "meta mark | 0x4", "meta mark & 0x1", "meta mark ^ 0x3", "0"])}`,
  (dice) =>
    `meta pkttype ${not(dice)}${dice.pick(["host", "unicast", "broadcast", "multicast", "other"])}`,
  (dice) => `meta iifkind ${not(dice)}${dice.pick(['"tun"', '"bridge"'])}`,
  () => "limit rate 1000000/second burst 1000 packets",
  () => 'log prefix "x" level debug',
  (dice) =>
    `ether saddr ${not(dice)}02:00:00:00:0${String(dice.between(1, 3))}:0${String(dice.between(2, 4))}`,
  (dice) => `meta skuid ${not(dice)}0`,
];

const matchesConntrack: readonly Make[] = [
  (dice) =>
    `ct state ${dice.pick(["new", "established,related", "established", "!= new", "invalid", "untracked", "{ new, established }", "new,established,related"])}`,
  (dice) => `ct direction ${dice.pick(["original", "reply"])}`,
  (dice) => `ct status ${dice.pick(["snat", "dnat", "snat,dnat", "seen-reply"])}`,
  (dice) => `ct mark ${not(dice)}${dice.pick(["0", "1", "2"])}`,
  (dice) => `ct mark set ${dice.pick(["1", "2", "meta mark", "ct mark | 0x2"])}`,
  () => "meta mark set ct mark",
  (dice) =>
    `ct state . ct direction { new . original, established . ${dice.pick(["original", "reply"])} }`,
];

const conntrack4: Make = (dice) =>
  `ct ${dice.pick(["original", "reply"])} ip ${dice.pick(["saddr", "daddr"])} ${dice.pick(addresses4)}`;
const conntrack6: Make = (dice) =>
  `ct ${dice.pick(["original", "reply"])} ip6 ${dice.pick(["saddr", "daddr"])} ${dice.pick(addresses6)}`;
const family: Make = (dice) => `meta nfproto ${dice.pick(["ipv4", "ipv6"])}`;
const etherType: Make = (dice) => `ether type ${dice.pick(["ip", "ip6"])}`;
const fibType: Make = (dice) =>
  `fib daddr type ${dice.pick(["local", "unicast", "!= local", "{ local, broadcast }"])}`;
/** Ways back, which the kernel looks for where packets come in. */
const fibRoute: readonly Make[] = [
  (dice) =>
    `fib saddr . ${dice.chance(30) ? "mark . " : ""}iif oif ${dice.pick(["missing", "exists"])}`,
  (dice) => `fib saddr oif ${not(dice)}${dice.pick(['"left"', '"right"', '"br0"'])}`,
  (dice) => `fib daddr . iif type ${not(dice)}local`,
];

function fibs(hook: Place["hook"]): readonly Make[] {
  if (hook === undefined) return [];
  return hook === "prerouting" || hook === "input" ? [fibType, ...fibRoute] : [fibType];
}

/** What is not there in packets of the test, and what chance decides. */
const matchesRare: readonly Make[] = [
  (dice) => `tcp option ${dice.pick(["maxseg", "sack-perm"])} ${dice.pick(["exists", "missing"])}`,
  (dice) => `tcp option maxseg size ${dice.pick(["> 500", "1400", "!= 1460"])}`,
  (dice) =>
    `numgen ${dice.pick(["inc", "random"])} mod 4 ${dice.pick(["< 3", ">= 0", "1", "offset 10 12"])}`,
  () => "symhash mod 2 0",
];
/** What the clock decides. */
const matchesOfClock: readonly Make[] = [
  (dice) =>
    `meta hour ${not(dice)}"${timeAway(dice.between(-11, 11)).time}"-"${timeAway(dice.between(-11, 11)).time}"`,
  (dice) =>
    `meta time ${dice.pick(["<", ">="])} "${timeAway(dice.pick([-1000, -1, 1, 1000])).date}"`,
  (dice) =>
    `meta day ${not(dice)}${dice.pick(['"Monday"', '"Sunday"', '{ "Saturday", "Sunday" }'])}`,
];
/** Sockets, of which the host has none. */
const socket: Make = (dice) => `socket ${dice.pick(["transparent 1", "transparent 0", "mark 1"])}`;
/** Which system a connection's first packet is of; the kernel takes it in no table of ip6 (nft_osf.c, Linux 6.18). */
const fingerprint: Make = () => 'osf name "Linux"';
const matchesRare4: readonly Make[] = [
  (dice) => `ip option ra ${dice.pick(["exists", "missing"])}`,
  (dice) => `rt ip nexthop ${dice.pick(["10.0.2.9", "10.0.1.3", "10.0.3.4"])}`,
];
const matchesRare6: readonly Make[] = [
  (dice) => `exthdr ${dice.pick(["frag", "hbh", "rt"])} ${dice.pick(["exists", "missing"])}`,
  (dice) => `rt ip6 nexthop ${dice.pick(["fd02::9", "fd01::3"])}`,
];
const routingType: Make = (dice) => `rt type ${not(dice)}0`;

function rarely(of: "inet" | "ip" | "ip6"): Make {
  const own = {
    ip: matchesRare4,
    ip6: [...matchesRare6, routingType],
    inet: [...matchesRare4, ...matchesRare6],
  };
  return (dice, place) => {
    const early = of === "ip6" ? [socket] : [socket, fingerprint];
    const ofHost = place.hook === "prerouting" ? [...matchesOfClock, ...early] : matchesOfClock;
    return dice.pick([...matchesRare, ...own[of], ...ofHost])(dice, place);
  };
}

function makersFor({ family: of, hook }: Place): readonly Make[] {
  const both = [...matchesUpper, ...matchesAny];
  switch (of) {
    case "bridge":
      return [...matches4, ...matches6, ...both, etherType];
    case "ip":
      return [...matches4, ...both, ...matchesConntrack, conntrack4, ...fibs(hook), rarely(of)];
    case "ip6":
      return [...matches6, ...both, ...matchesConntrack, conntrack6, ...fibs(hook), rarely(of)];
    default:
      return [
        ...matches4,
        ...matches6,
        ...both,
        ...matchesConntrack,
        conntrack4,
        conntrack6,
        family,
        ...fibs(hook),
        rarely(of),
      ];
  }
}

/** One match or change more for a rule that begins so. */
export function anyMatch(dice: Dice, place: Place, before: string): string {
  for (;;) {
    const text = dice.pick(makersFor(place))(dice, place);
    if (isLucid(`${before} ${text}`)) return text;
  }
}

/**
 * Not of two bounds that nft 1.0.6 lists as one range, whatever their fields: `tcp dport < 80 tcp sport > 90` as
 * `tcp sport != 80-90`, and `ip ttl >= 64 ip length <= 40` as `ip length 64-40`.
 */
function isLucid(rule: string): boolean {
  const signs = [...rule.matchAll(/ ([<>]=?) /g)].map(([, sign]) => sign);
  const isBefore = (first: string, second: string) =>
    signs.includes(first) && signs.lastIndexOf(second) > signs.indexOf(first);
  return isOfOneProtocol(rule) && !isBefore("<", ">") && !isBefore(">=", "<=");
}

/** nft refuses a rule that speaks of two protocols of one layer. */
function isOfOneProtocol(rule: string): boolean {
  const words = rule.replaceAll(/"[^"]*"/g, "").split(/[ ,]+/);
  const networks = words.flatMap((word) => networkWords[word] ?? []);
  const uppers = words.filter((word) => upperWords.has(word));
  // nft lists `th` without the protocol that has no ports.
  const hasNoPorts = words.includes("th") && uppers.some((word) => word.includes("icmp"));
  return new Set(networks).size <= 1 && new Set(uppers).size <= 1 && !hasNoPorts;
}

const networkWords: Readonly<Record<string, 4 | 6>> = {
  ip: 4,
  icmp: 4,
  ipv4: 4,
  ip6: 6,
  exthdr: 6,
  icmpv6: 6,
  ipv6: 6,
};
const upperWords = new Set(["tcp", "udp", "icmp", "icmpv6", "ipv6-icmp"]);

export function end(dice: Dice, place: Place, before: string): string {
  for (;;) {
    const text = anyEnd(dice, place);
    if (isLucid(`${before} ${text}`)) return text;
  }
}

function anyEnd(dice: Dice, place: Place): string {
  const verdict = () => dice.pick(["accept", "drop", "return", "continue"]);
  const ends: Make[] = [
    () => dice.pick(["accept", "accept", "drop", "return", "continue", "counter"]),
    () => `${dice.pick(["iifname", "oifname"])} vmap @ways`,
    () =>
      `${dice.pick(["iifname", "oifname"])} vmap { "left" : ${verdict()}, "r*" : ${verdict()}, "br0" : ${verdict()} }`,
    () => `tcp dport vmap { 22 : ${verdict()}, 80-443 : ${verdict()} }`,
    () => "meta l4proto . th dport vmap @doors",
    () => `meta mark vmap { 0 : continue, 1 : ${verdict()}, 2-5 : ${verdict()} }`,
    () => "meta mark set 0x3",
  ];
  if (place.regular.length > 0) {
    const target = () => dice.pick(place.regular);
    ends.push(
      () => `jump ${target()}`,
      () => `jump ${target()}`,
      () => `goto ${target()}`,
      () =>
        `iifname vmap { "left" : jump ${target()}, "right" : goto ${target()}, "one" : ${verdict()} }`,
    );
  }
  const mayReject =
    place.family !== "bridge" && ["input", "forward", "output"].includes(place.hook ?? "");
  if (mayReject) ends.push(() => "reject");
  if (place.family !== "bridge")
    ends.push(
      () =>
        "ct state vmap { established : accept, related : accept, invalid : drop, new : continue }",
    );
  if (place.family === "ip")
    ends.push(
      () => `ip dscp set ${dice.pick(["cs1", "ef"])}`,
      () => "ip ttl set 99",
    );
  return dice.pick(ends)(dice, place);
}

/** Rewrites to an address that somebody has. */
export function natEnd(
  dice: Dice,
  place: Place,
  { kind, before }: { kind: "dnat" | "snat"; before: string },
): string {
  for (;;) {
    const text = anyNatEnd(dice, place, kind);
    if (isLucid(`${before} ${text}`)) return text;
  }
}

function anyNatEnd(dice: Dice, place: Place, kind: "dnat" | "snat"): string {
  const isSix = place.family === "ip6" || (place.family === "inet" && dice.chance(40));
  const [word, pool] = isSix ? (["ip6", addresses6] as const) : (["ip", addresses4] as const);
  const family = place.family === "inet" ? `${word} ` : "";
  const upper = dice.pick(["tcp", "udp"]);
  const withPort = (address: string, port: number) =>
    isSix ? `[${address}]:${String(port)}` : `${address}:${String(port)}`;
  const guard = place.family === "inet" ? `meta nfproto ${isSix ? "ipv6" : "ipv4"}` : "";
  if (kind === "dnat") {
    const target = dice.pick(pool.slice(1, 9));
    const ends = [
      `${upper} dport ${dice.pick(ports)} dnat ${family}to ${withPort(target, dice.between(1, 9000))}`,
      `${guard} dnat ${family}to ${target}`,
      ...(isSix
        ? []
        : [
            `dnat ${family}to ip daddr map { 10.0.1.1 : 10.0.2.2, 10.0.2.1 : 10.0.3.2, 198.51.100.7 : 10.0.1.3 }`,
          ]),
      ...(isSix
        ? []
        : [
            `dnat ${family}to ip daddr . tcp dport map { 10.0.1.1 . 80 : 10.0.2.2 . 8080, 10.0.2.1 . 22 : 10.0.3.2 . 23 }`,
          ]),
      ...(isSix && place.hook !== "output"
        ? []
        : [`${upper} dport ${dice.pick(ports)} redirect to :${String(dice.between(1, 9000))}`]),
    ];
    return dice.pick(ends);
  }
  const target = dice.pick(pool);
  const ends = [
    `${guard} snat ${family}to ${target}`,
    `${upper} dport ${dice.pick(ports)} snat ${family}to ${target}`,
    ...(place.hook === "postrouting" && !isSix
      ? [`${guard} masquerade`, `oifname "right" ${guard} masquerade`]
      : []),
  ];
  return dice.pick(ends);
}
