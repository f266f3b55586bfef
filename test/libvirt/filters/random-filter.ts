import type { Dice } from "./dice.ts";
import type { BoundFilter } from "./filter-driver.ts";
import { guest, host, neighbour, world } from "./stage.ts";

/*
 * Filters made by chance from few values, so that packets made of the same values often meet their rules. Left out is what libvirt
 * is known to get wrong (see the attributes that err), which a comparison would only find again and again.
 */

export interface RandomRule {
  readonly action: string;
  readonly direction: "in" | "out" | "inout";
  readonly priority?: number;
  readonly isStateless?: boolean;
  /** Absent: every frame. */
  readonly protocol?: string;
  readonly fields: readonly RandomField[];
}

export interface RandomField {
  readonly isNegated: boolean;
  /** Attributes by name: one, or two that belong together. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface RandomFilter {
  readonly name: string;
  readonly chain: string;
  readonly priority?: number;
  readonly rules: readonly RandomRule[];
  /** Names of filters it refers to, ahead of its own rules. */
  readonly references: readonly string[];
}

/** The last one is the bound one. */
export type RandomFilters = readonly RandomFilter[];

export const pool = {
  four: [guest.four, neighbour.four, host.four, world.four, "10.9.0.9"],
  six: [guest.six, neighbour.six, host.six, world.six, "fd09::9"],
  macs: [guest.mac, neighbour.mac, host.mac, "52:54:00:00:00:09"],
  ports: [80, 81, 443, 8080],
  icmpTypes: [0, 3, 8],
  icmp6Types: [1, 128, 129],
  dscps: [0, 46],
  etherTypes: [0x88b5, 0x88b6],
} as const;

/** Values of the bound filter's variables. Lists are as long as each other, since those of one rule advance together. */
export const parameters = {
  A4: [guest.four, neighbour.four],
  A6: [guest.six, host.six],
  P: ["80", "443"],
  M: [neighbour.mac, host.mac],
} as const;

type FieldMaker = (dice: Dice) => RandomField;

/** Variables only as they are: a list that is negated, and two lists at once, have tests of their own. */
const field = (
  attributes: Readonly<Record<string, string | number>>,
  isNegated = false,
): RandomField => ({
  isNegated,
  attributes: Object.fromEntries(Object.entries(attributes).map(([k, v]) => [k, String(v)])),
});

function addressField(name: string, family: "four" | "six"): FieldMaker {
  const list = family === "four" ? "$A4" : "$A6";
  const [prefix, length] = family === "four" ? ["10.9.0.0", "24"] : ["fd09::", "64"];
  return (dice) => {
    switch (dice.number(5)) {
      case 0:
        return field({ [`${name}ipaddr`]: list });
      case 1:
        return field({ [`${name}ipaddr`]: `${list}[1]` }, dice.oneIn(3));
      case 2:
        return field({ [`${name}ipaddr`]: prefix, [`${name}ipmask`]: length }, dice.oneIn(3));
      default:
        return field({ [`${name}ipaddr`]: dice.pick(pool[family]) }, dice.oneIn(4));
    }
  };
}

const macField =
  (name: string): FieldMaker =>
  (dice) =>
    dice.oneIn(4)
      ? field({ [name]: "$M" })
      : field({ [name]: dice.pick(pool.macs) }, dice.oneIn(4));

const macFields = [macField("srcmacaddr"), macField("dstmacaddr")];

/** Negated source ports would be negated destination ports in the other direction, which libvirt misreads. */
function portField(name: "src" | "dst"): FieldMaker {
  return (dice) => {
    if (dice.oneIn(4)) return field({ [`${name}portstart`]: "$P" });
    if (dice.oneIn(3)) {
      return field({ [`${name}portstart`]: 80, [`${name}portend`]: 443 });
    }
    return field({ [`${name}portstart`]: dice.pick(pool.ports) });
  };
}

const numberField =
  (name: string, values: readonly (number | string)[]): FieldMaker =>
  (dice) =>
    field({ [name]: dice.pick(values) }, dice.oneIn(4));

const arpFields: readonly FieldMaker[] = [
  ...macFields,
  numberField("opcode", ["Request", "Reply"]),
  (dice) => field({ arpsrcipaddr: dice.pick(["$A4", ...pool.four]) }),
  (dice) => field({ arpdstipaddr: dice.pick(pool.four) }, dice.oneIn(3)),
  (dice) => field({ arpsrcmacaddr: dice.pick(["$M[1]", ...pool.macs]) }, dice.oneIn(3)),
];

const ipPorts = (dice: Dice): RandomField => ({
  ...field({
    protocol: dice.pick(["tcp", "udp"]),
    dstportstart: dice.pick(pool.ports),
  }),
});

const ethernetFields: Readonly<Record<string, readonly FieldMaker[]>> = {
  mac: [...macFields, numberField("protocolid", ["ipv4", "ipv6", "arp", "vlan", 0x88b5])],
  vlan: [...macFields, numberField("vlanid", [5, 6])],
  arp: arpFields,
  rarp: arpFields,
  ip: [
    ...macFields,
    addressField("src", "four"),
    addressField("dst", "four"),
    (dice) => (dice.oneIn(2) ? ipPorts(dice) : numberField("protocol", ["udp", "icmp"])(dice)),
  ],
  ipv6: [
    ...macFields,
    addressField("src", "six"),
    addressField("dst", "six"),
    (dice) => (dice.oneIn(2) ? ipPorts(dice) : numberField("protocol", ["udp", "icmpv6"])(dice)),
  ],
};

function packetFields(protocol: string): readonly FieldMaker[] {
  const family = protocol.endsWith("v6") || protocol.endsWith("-ipv6") ? "six" : "four";
  const shared = [
    addressField("src", family),
    addressField("dst", family),
    numberField("dscp", pool.dscps),
  ];
  switch (protocol.replace("-ipv6", "")) {
    case "tcp":
    case "udp":
      return [...shared, portField("src"), portField("dst")];
    case "icmp":
      return [...shared, numberField("type", pool.icmpTypes)];
    case "icmpv6":
      return [...shared, numberField("type", pool.icmp6Types)];
    default:
      return shared;
  }
}

const packetProtocols = "tcp udp icmp all tcp-ipv6 udp-ipv6 icmpv6 all-ipv6".split(" ");

export const isPacketProtocol = (name: string | undefined): boolean =>
  name !== undefined && packetProtocols.includes(name);

function randomRule(dice: Dice, layer: "ethernet" | "packet"): RandomRule {
  const direction = dice.pick(["in", "out", "inout"] as const);
  const priority = dice.oneIn(2) ? { priority: dice.pick([-900, -600, 0, 100, 500, 700]) } : {};
  if (layer === "packet") {
    const protocol = dice.pick(packetProtocols);
    const action = dice.pick(["accept", "accept", "drop", "reject", "return"]);
    const fields = dice.some(packetFields(protocol), 2).map((make) => make(dice));
    return {
      action,
      direction,
      protocol,
      fields,
      ...priority,
      ...(dice.oneIn(5) ? { isStateless: true } : {}),
    };
  }
  const protocol = dice.pick([...Object.keys(ethernetFields), ""]);
  const action = dice.pick(["accept", "drop", "drop", "return", "continue", "reject"]);
  const fields = dice.some(ethernetFields[protocol] ?? [], 2).map((make) => make(dice));
  return { action, direction, fields, ...(protocol === "" ? {} : { protocol }), ...priority };
}

const chains = ["mac", "vlan", "arp", "rarp", "ipv4", "ipv6", "ipv4-more", "mac-more", "root"];

/** None is a chain's own, or that of a rule. */
const chainPriorities = [-850, -350, 50, 650];

/** `layers`: whose rules it may have. */
export function randomFilters(
  dice: Dice,
  layers: readonly ("ethernet" | "packet")[],
): RandomFilters {
  const rules = (most: number) =>
    Array.from({ length: 1 + dice.number(most) }, () => randomRule(dice, dice.pick(layers)));
  // A chain has one priority, so no two filters share one.
  const free = [...chains];
  const parts = Array.from({ length: dice.number(4) }, (_, i): RandomFilter => {
    const chain = dice.pick(free);
    free.splice(free.indexOf(chain), 1);
    // Of chains with one priority it is left to chance in libvirt which comes first.
    const isPlaced = chain.endsWith("-more") || dice.oneIn(3);
    const priority = isPlaced ? { priority: chainPriorities[i] ?? 0 } : {};
    return { name: `part-${i}`, chain, rules: rules(4), references: [], ...priority };
  });
  const last: RandomRule = { action: "drop", direction: "inout", fields: [], priority: 900 };
  const lastPacket: RandomRule = { ...last, protocol: "all" };
  const ends = [
    ...(dice.oneIn(3) && layers.includes("ethernet") ? [last] : []),
    ...(dice.oneIn(2) && layers.includes("packet") ? [lastPacket] : []),
    ...(dice.oneIn(3) && layers.includes("packet")
      ? [{ ...lastPacket, protocol: "all-ipv6" }]
      : []),
  ];
  const references = parts.map(({ name }) => name);
  return [...parts, { name: "random", chain: "root", rules: [...rules(10), ...ends], references }];
}

export function boundFilter(filters: RandomFilters): BoundFilter {
  return { name: "random", definitions: filters.map(filterXml), parameters };
}

function filterXml({ name, chain, priority, rules, references }: RandomFilter): string {
  const rank = priority === undefined ? "" : ` priority='${priority}'`;
  const lines = [
    ...references.map((other) => `<filterref filter='${other}'/>`),
    ...rules.map(ruleXml),
  ];
  const inside = lines.map((line) => `  ${line}\n`).join("");
  return `<filter name='${name}' chain='${chain}'${rank}>\n${inside}</filter>\n`;
}

function ruleXml(rule: RandomRule): string {
  const { action, direction, priority, isStateless, protocol, fields } = rule;
  const rank = priority === undefined ? "" : ` priority='${priority}'`;
  const state = isStateless === true ? " statematch='false'" : "";
  const head = `action='${action}' direction='${direction}'${rank}${state}`;
  if (protocol === undefined) return `<rule ${head}/>`;
  const elements = [false, true].flatMap((isNegated) => {
    const chosen = fields.filter((one) => one.isNegated === isNegated);
    if (chosen.length === 0 && (isNegated || fields.length > 0)) return [];
    const text = chosen.flatMap(({ attributes }) =>
      Object.entries(attributes).map(([key, value]) => ` ${key}='${value}'`),
    );
    return [`<${protocol}${isNegated ? " match='no'" : ""}${text.join("")}/>`];
  });
  return `<rule ${head}>${elements.join("")}</rule>`;
}
