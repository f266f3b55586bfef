import { formatPortRange, type PortRange } from "../base/port.ts";
import type { Flow } from "../model/flow.ts";
import type { Intent } from "../model/intent.ts";
import type { Service } from "../model/policy.ts";

/** Ports of one protocol that no rule of either policy tells apart: the first stands for all. */
export interface Stretch {
  readonly protocol: Flow["protocol"];
  /** 0 where the protocol has none. */
  readonly ports: PortRange;
}

/** Everybody may always ask DHCP, so nothing of it opens or closes. */
const dhcp = { tcp: [], udp: [67, 68, 546, 547] } as const;
/** Name servers and TFTP of the host, which have rules of their own. */
const known = [53, 69];
const lastPort = 65_535;

/** All that a flow may be begun with, in the order in which people are told. */
export function stretchesOf(intents: readonly Intent[]): readonly Stretch[] {
  const services = intents.flatMap(servicesIn);
  const withPorts = (["tcp", "udp"] as const).flatMap((protocol) => {
    const own = services.flatMap((service) =>
      service.kind === "ports" && service.protocol === protocol ? [service.ports] : [],
    );
    const single = [...known, ...dhcp[protocol]].map((port) => ({ first: port, last: port }));
    const none: readonly number[] = dhcp[protocol];
    return cutAt([...own, ...single])
      .filter(({ first }) => !none.includes(first))
      .map((ports) => ({ protocol, ports }));
  });
  const whole = { first: 0, last: 0 };
  return [...withPorts, { protocol: "icmp", ports: whole }, { protocol: "other", ports: whole }];
}

function servicesIn({ groups, networks, hostInput = [] }: Intent): readonly Service[] {
  return [
    ...[...groups.values()].flatMap(({ ingress, egress }) =>
      [...ingress, ...egress].flatMap(({ services }) => services),
    ),
    ...networks.flatMap(({ services }) => services),
    ...hostInput.flatMap(({ rule }) => rule.services),
  ];
}

/** All ports, cut where one of the ranges begins or ends. */
export function cutAt(
  ranges: readonly PortRange[],
  within: PortRange = { first: 1, last: lastPort },
): PortRange[] {
  const starts = ranges.flatMap(({ first, last }) => [first, last + 1]);
  const inside = starts.filter((port) => within.first < port && port <= within.last);
  const cuts = [...new Set([within.first, ...inside])].toSorted((a, b) => a - b);
  return cuts.map((first, index) => ({ first, last: (cuts[index + 1] ?? within.last + 1) - 1 }));
}

/** `tcp/80-90, udp, icmp` for some of all stretches, by their index; empty for all of them. */
export function formatStretches(all: readonly Stretch[], chosen: ReadonlySet<number>): string {
  if (chosen.size === all.length) return "";
  const words: string[] = [];
  for (const protocol of ["tcp", "udp", "icmp", "other"] as const) {
    const own = [...all.keys()].filter((index) => all[index]?.protocol === protocol);
    const picked = own.filter((index) => chosen.has(index));
    if (picked.length === 0) continue;
    const isWhole = picked.length === own.length;
    if (protocol === "other") words.push("other protocols");
    else if (isWhole) words.push(protocol);
    else words.push(...joined(all, picked).map((range) => `${protocol}/${formatPortRange(range)}`));
  }
  return words.join(", ");
}

/** Neighbours become one range. */
function joined(all: readonly Stretch[], picked: readonly number[]): PortRange[] {
  const ranges: { first: number; last: number }[] = [];
  for (const [position, index] of picked.entries()) {
    const ports = all[index]?.ports;
    if (ports === undefined) continue;
    const before = ranges.at(-1);
    if (before !== undefined && picked[position - 1] === index - 1) before.last = ports.last;
    else ranges.push({ ...ports });
  }
  return ranges;
}
