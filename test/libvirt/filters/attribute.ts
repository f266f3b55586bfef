import {
  packetText,
  type ArpBody,
  type IpBody,
  type Packet,
  type StpBody,
} from "../../world/packet.ts";
import type { BoundFilter } from "./filter-driver.ts";
import { guest, neighbour, type Place, type Step } from "./stage.ts";

/*
 * What each attribute of the filter language means, told by packets. All attributes of one protocol stand in one filter: each in
 * drop rules of its own, as written and negated, for both directions. So that no rule meddles with the packets of another, each
 * rule has a far end of its own.
 */

/** What makes a packet another one. */
export type Change = Partial<Omit<Packet, "body">> & {
  readonly body?: Partial<ArpBody> | Partial<IpBody> | Partial<StpBody> | Packet["body"];
};

export interface Attribute {
  /** Attributes of the protocol's element. */
  readonly is: string;
  /** A packet it matches. */
  readonly hit: Change;
  /** One it does not match. */
  readonly miss?: Change;
  /** Attributes that are not negated with it. */
  readonly with?: string;
  /** Where it has this meaning only. */
  readonly only?: Direction;
  /** It says itself who the far end is. */
  readonly isFarEnd?: boolean;
  /** libvirt gets it wrong, for this reason: at least one of its packets then ends otherwise there. */
  readonly libvirtErrs?: string;
  /** libvirt does not take it, for this reason. */
  readonly libvirtRefuses?: string;
  /** virtwall does not take it, for this reason. */
  readonly virtwallRefuses?: string;
  /** virtwall does not take its negation, which libvirt misreads. */
  readonly isMisreadNegated?: boolean;
  /** There is no contrary of it. */
  readonly isSwitch?: boolean;
}

export interface ProtocolCase {
  /** Name of the element. */
  readonly protocol: string;
  /** The packet of the direction, by default fields. */
  packet(way: Direction): Packet;
  readonly farEnd: FarEnd;
  readonly attributes: readonly Attribute[];
}

export type Direction = "in" | "out";

/** Tells the rules of a filter apart by who is at the other end. */
export type FarEnd = (
  way: Direction,
  index: number,
) => { readonly is: string; readonly change: Change };

/** By MAC: the bridge knows none of them, and sends to all. */
export const farMac: FarEnd = (way, index) => {
  const mac = `52:54:00:0a:00:${index.toString(16).padStart(2, "0")}`;
  return way === "in"
    ? { is: `srcmacaddr='${mac}'`, change: { from: mac } }
    : { is: `dstmacaddr='${mac}'`, change: { to: mac } };
};

/** By address, of the family of a prefix such as `10.9.1.`. */
export const farAddress =
  (prefix: string): FarEnd =>
  (way, index) => {
    const address = `${prefix}${index + 1}`;
    return way === "in"
      ? { is: `srcipaddr='${address}'`, change: { body: { source: address } } }
      : { is: `dstipaddr='${address}'`, change: { body: { destination: address } } };
  };

/** MACs of a frame between the guest and the neighbour. */
export function linkFor(way: Direction): Pick<Packet, "from" | "to"> {
  return way === "in"
    ? { from: neighbour.mac, to: guest.mac }
    : { from: guest.mac, to: neighbour.mac };
}

export interface AttributeStep extends Step {
  readonly attribute: Attribute;
  readonly what: string;
  /** The other end of the bridge, and whether the packet arrives there. */
  readonly to: Place;
  readonly arrives: boolean;
}

/** The steps of which the opposite happened. */
export function wrongSteps(
  steps: readonly AttributeStep[],
  heard: readonly string[],
): readonly AttributeStep[] {
  return steps.filter(
    ({ to, arrives }, i) => (heard[i]?.split(" ").includes(to) ?? false) !== arrives,
  );
}

export function stepText({ what, arrives, packet }: AttributeStep): string {
  return `${what}: should ${arrives ? "" : "not "}arrive: ${packetText(packet)}`;
}

/** The one filter of a protocol, and packets with what becomes of each; without negations where they are not wanted. */
export function attributeCase(
  one: ProtocolCase,
  mayNegate: (attribute: Attribute) => boolean = () => true,
): {
  readonly filter: BoundFilter;
  readonly steps: readonly AttributeStep[];
} {
  const rules: string[] = [];
  const steps: AttributeStep[] = [];
  for (const attribute of one.attributes) {
    for (const way of ["in", "out"] as const) {
      if (attribute.only !== undefined && attribute.only !== way) continue;
      for (const isNegated of [false, true]) {
        if (isNegated && !(hasContrary(attribute) && mayNegate(attribute))) continue;
        const far = attribute.isFarEnd === true ? nowhere : one.farEnd(way, rules.length);
        rules.push(ruleText({ one, attribute, way, isNegated, far: far.is }));
        steps.push(...stepsOf({ one, attribute, way, isNegated, change: far.change }));
      }
    }
  }
  const name = `all-of-${one.protocol}`;
  const definition = `<filter name='${name}' chain='root'>\n${rules.join("\n")}\n</filter>\n`;
  return { filter: { name, definitions: [definition] }, steps };
}

const hasContrary = ({ isSwitch, isFarEnd }: Attribute): boolean =>
  isSwitch !== true && isFarEnd !== true;

const nowhere: ReturnType<FarEnd> = { is: "", change: {} };

interface Told {
  readonly one: ProtocolCase;
  readonly attribute: Attribute;
  readonly way: Direction;
  readonly isNegated: boolean;
}

function ruleText({ one, attribute, way, isNegated, far }: Told & { far: string }): string {
  const also = `${far} ${attribute.with ?? ""}`.trim();
  const elements = isNegated
    ? [also, `match='no' ${attribute.is}`]
    : [`${also} ${attribute.is}`.trim()];
  const inside = elements.filter((text) => text !== "").map((text) => `<${one.protocol} ${text}/>`);
  return `  <rule action='drop' direction='${way}'>${inside.join("")}</rule>`;
}

function stepsOf(told: Told & { change: Change }): AttributeStep[] {
  const { one, attribute, way, isNegated, change } = told;
  const from = way === "in" ? "neighbour" : "guest";
  const to = way === "in" ? "guest" : "neighbour";
  return (["hit", "miss"] as const).flatMap((kind) => {
    const difference = attribute[kind];
    if (difference === undefined) return [];
    const packet = changed(changed(one.packet(way), change), difference);
    const arrives = (kind === "hit") === isNegated;
    const what = `${way} ${isNegated ? "not " : ""}${attribute.is}, ${kind}`;
    return { attribute, from, packet, what, to, arrives };
  });
}

function changed(packet: Packet, change: Change): Packet {
  const { body, ...link } = change;
  const isWhole = body !== undefined && "kind" in body;
  const newBody = isWhole ? body : { ...packet.body, ...body };
  return { ...packet, ...link, body: newBody as Packet["body"] };
}
