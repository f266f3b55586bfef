import { broadcastMac } from "../../world/frame.ts";
import { type IpBody, type Packet, protocolNumber, tcpFlag } from "../../world/packet.ts";
import type { Dice } from "./dice.ts";
import { pool } from "./random-filter.ts";
import { guest, host, linkOf, neighbour, type Place, type Step, world } from "./stage.ts";

/* Packets of the values that random filters know, most of them what honest ends would send, some of them answered. */

const ends = { guest, neighbour, host, world };

export interface RandomStep extends Step {
  /** The packet that this one, and others, follow. */
  readonly opener?: RandomStep;
}

export function randomSteps(dice: Dice, count: number): RandomStep[] {
  const steps: RandomStep[] = [];
  while (steps.length < count) {
    steps.push(...(dice.oneIn(3) ? [linkStep(dice)] : conversation(dice)));
  }
  return steps;
}

/** Something other than IP, or IP behind a tag, on the bridge. */
function linkStep(dice: Dice): RandomStep {
  const from: Place = dice.oneIn(2) ? "guest" : "neighbour";
  const to = from === "guest" ? "neighbour" : "guest";
  const link = linkOf(from, to);
  const packet: Packet = {
    from: from === "guest" ? guest.mac : dice.pick([link.from, ...pool.macs.slice(1)]),
    to: dice.pick([link.to, link.to, broadcastMac, pool.macs[3]]),
    ...(dice.oneIn(4) ? { vlan: dice.pick([5, 6]) } : {}),
    body: linkBody(dice, from),
  };
  return { from, packet };
}

function linkBody(dice: Dice, from: Place): Packet["body"] {
  switch (dice.number(4)) {
    case 0:
      return { kind: "other", type: dice.pick(pool.etherTypes) };
    case 1:
      return ipBody(dice, from, "neighbour");
    default:
      return {
        kind: dice.oneIn(4) ? "rarp" : "arp",
        operation: dice.pick([1, 2, 3]),
        sourceMac: dice.oneIn(3) ? dice.pick(pool.macs) : ends[from].mac,
        source: dice.oneIn(2) ? dice.pick(pool.four) : ends[from].four,
        targetMac: dice.pick(pool.macs),
        target: dice.pick(pool.four),
      };
  }
}

function conversation(dice: Dice): RandomStep[] {
  const [from, to] = dice.pick<readonly [Place, Place]>([
    ["guest", "neighbour"],
    ["guest", "neighbour"],
    ["guest", "host"],
    ["guest", "world"],
    ["neighbour", "guest"],
    ["neighbour", "guest"],
    ["host", "guest"],
    ["world", "guest"],
  ]);
  const first = from === "host" || from === "world" ? flowBody(dice, from) : ipBody(dice, from, to);
  const opener: RandomStep = { from, packet: { ...linkOf(from, to), body: first } };
  if (dice.oneIn(2)) return [opener];
  const third = first.protocol === 6 ? { ...first, flags: tcpFlag.ACK } : first;
  return [
    opener,
    { from: to, packet: { ...linkOf(to, from), body: answerTo(first) }, opener },
    { from, packet: { ...linkOf(from, to), body: third }, opener },
  ];
}

/**
 * A flow of its own that begins beyond the bridge. The kernel has taken note of it before the bridge drops its first packet, so that
 * packets of the same flow in the other direction are answers for it.
 */
function flowBody(dice: Dice, from: Place): IpBody {
  const body = ipBody(dice, from, "guest");
  const own = 10_000 + dice.number(50_000);
  if (body.type === undefined) {
    return { ...body, protocol: dice.pick([6, 17]), sourcePort: own };
  }
  return { ...body, type: body.protocol === protocolNumber.icmp ? 8 : 128, echo: own };
}

/** Who sends over a route sends from and to its own address; on the bridge anybody's may be used. */
function ipBody(dice: Dice, from: Place, to: Place): IpBody {
  const family = dice.oneIn(3) ? "six" : "four";
  const isLink = [from, to].every((place) => place === "guest" || place === "neighbour");
  const own = (place: Place): string =>
    isLink && dice.oneIn(4) ? dice.pick(pool[family]) : ends[place][family];
  const icmp = family === "six" ? protocolNumber.icmpv6 : protocolNumber.icmp;
  const protocol = dice.pick([protocolNumber.tcp, protocolNumber.udp, icmp, protocolNumber.esp]);
  const dscp = dice.oneIn(4) ? { dscp: 46 } : {};
  const body = { kind: "ip", source: own(from), destination: own(to), protocol, ...dscp } as const;
  if (protocol === icmp) {
    const types = family === "six" ? [128, 129, 1] : [8, 0, 3];
    return { ...body, type: dice.pick(types), echo: dice.number(4) };
  }
  return {
    ...body,
    sourcePort: dice.oneIn(2) ? dice.pick(pool.ports) : 1024 + dice.number(4),
    destinationPort: dice.oneIn(8) ? 9 : dice.pick(pool.ports),
  };
}

const echoReply = new Map([
  [8, 0],
  [128, 129],
]);

function answerTo(body: IpBody): IpBody {
  const { sourcePort, destinationPort } = body;
  return {
    ...body,
    source: body.destination,
    destination: body.source,
    ...(sourcePort === undefined ? {} : { destinationPort: sourcePort }),
    ...(destinationPort === undefined ? {} : { sourcePort: destinationPort }),
    ...(body.protocol === 6 ? { flags: tcpFlag.SYN | tcpFlag.ACK } : {}),
    ...(body.type === undefined ? {} : { type: echoReply.get(body.type) ?? body.type }),
  };
}

/** Whether a packet has a forged source by what the nic's always-on check of MACs holds. */
export function isForged({ from, packet }: Step): boolean {
  return from === "guest" && packet.from !== guest.mac;
}

/**
 * The same packet bridged: libvirt's rules for packets see those alone, so this is what it would say of a packet that the host
 * sends or routes to the guest.
 */
export function bridged(step: Step): Step {
  if (step.from !== "host" && step.from !== "world") return step;
  return { from: "neighbour", packet: { ...step.packet, from: host.mac, to: guest.mac } };
}
