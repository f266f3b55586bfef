/** One line of `nft -a monitor trace`: what the kernel tells of a packet that is traced. */
export interface TraceEvent {
  /** The kernel's number for the packet between two handovers from layer to layer. */
  readonly id: string;
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly told: Told;
}

export type Told =
  /** The packet as it enters a base chain. */
  | { readonly kind: "packet"; readonly packet: PacketWords }
  /** A rule that matched wholly. */
  | {
      readonly kind: "rule";
      readonly text: string;
      readonly handle?: number;
      readonly verdict: string;
    }
  | { readonly kind: "policy"; readonly verdict: string };

/** What nft prints of a packet, as far as people ask for it. */
export interface PacketWords {
  readonly iif?: string;
  readonly oif?: string;
  /** `tcp`, `udp`, `icmp`, `arp`, or what else the header says. */
  readonly protocol: string;
  readonly source?: string;
  readonly destination?: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** The same for one packet from one layer to the next, while nobody rewrites it. */
  readonly identity: string;
}

/** Undefined for what is no line of a trace. */
export function readTraceLine(line: string): TraceEvent | undefined {
  const match = /^trace id ([0-9a-f]+) (\S+) (\S+) (\S+) (packet:|rule|policy) (.*)$/.exec(line);
  if (match === null) return undefined;
  const [, id = "", family = "", table = "", chain = "", kind = "", rest = ""] = match;
  const told = readTold(kind, rest);
  return told && { id, family, table, chain, told };
}

function readTold(kind: string, rest: string): Told | undefined {
  if (kind === "packet:") return { kind: "packet", packet: readPacket(rest) };
  if (kind === "policy") return { kind: "policy", verdict: rest.trim() };
  const match = /^(.*?)(?: # handle (\d+))? \(verdict ([^()]*)\)$/.exec(rest.trim());
  if (match === null) return undefined;
  const [, text = "", handle, verdict = ""] = match;
  return {
    kind: "rule",
    text: text.replaceAll(/counter packets \d+ bytes \d+/g, "counter"),
    ...(handle !== undefined && { handle: Number(handle) }),
    verdict,
  };
}

function readPacket(text: string): PacketWords {
  const word = (key: string) => new RegExp(`(?:^| )${key} "?([^" ]+)`).exec(text)?.[1];
  const number = (key: string) => {
    const found = word(key);
    return found === undefined ? undefined : Number(found);
  };
  const iif = word("iif");
  const oif = word("oif");
  const source = word("ip6? saddr") ?? word("arp saddr ip");
  const destination = word("ip6? daddr") ?? word("arp daddr ip");
  const sourcePort = number("(?:tcp|udp) sport");
  const destinationPort = number("(?:tcp|udp) dport");
  return {
    ...(iif !== undefined && { iif }),
    ...(oif !== undefined && { oif }),
    protocol: protocolOf(text) ?? word("(?:ip protocol|ip6 nexthdr|ether type)") ?? "packet",
    ...(source !== undefined && { source }),
    ...(destination !== undefined && { destination }),
    ...(sourcePort !== undefined && { sourcePort }),
    ...(destinationPort !== undefined && { destinationPort }),
    identity: text.replaceAll(changing, " ").replaceAll(/\s+/g, " ").trim(),
  };
}

function protocolOf(text: string): string | undefined {
  const name = / (tcp|udp|icmp|icmpv6|arp) \w+/.exec(text)?.[1];
  return name === "icmpv6" ? "icmp" : name;
}

/** What the layers tell differently of one packet: interfaces, link addresses, bytes without names, hops, and in `ip` no protocol. */
const changing =
  /(?:^| )(?:(?:iif|oif) "[^"]*"|ether \w+ \S+|@\S+ \S+|(?:tcp|udp|icmp|icmpv6) checksum \S+|ip ttl \S+|ip6 hoplimit \S+|ip protocol \S+|ip6 nexthdr \S+)(?= |$)/g;
