import type { Family } from "../base/address.ts";
import type { Layer } from "./layer.ts";
import type { Known, Outsider } from "./value.ts";

/** One direction of a flow as the kernel's connection tracking knows it. Ports are absent for protocols that have none. */
export interface Tuple {
  readonly source: Known;
  readonly destination: Known;
  readonly sourcePort?: Known;
  readonly destinationPort?: Known;
}

/** What connection tracking knows of the packet's flow. */
export interface Flow {
  readonly state: "new" | "established" | "related" | "invalid" | "untracked";
  readonly direction: "original" | "reply";
  readonly original: Tuple;
  readonly reply: Tuple;
  /** Which end of the original direction is rewritten. */
  readonly isSourceRewritten: boolean;
  readonly isDestinationRewritten: boolean;
  /** Whether the chains of type nat were asked already; they are asked for the first packet of a flow only. */
  readonly isSourceSettled: boolean;
  readonly isDestinationSettled: boolean;
  readonly mark: Known;
}

/**
 * A packet at one moment of its way, with what the kernel keeps beside its bytes. `etherType` is the protocol of `network`:
 * 0x0800, 0x86dd, 0x0806.
 */
export interface Packet {
  readonly etherType: number;
  readonly link?: Layer;
  readonly network: Layer;
  /** Absent where the network layer carries none that the kernel could find. */
  readonly transport?: Layer;
  /** What is known of addresses whose bits in `network` are not. */
  readonly outsiders?: { readonly saddr?: Outsider; readonly daddr?: Outsider };
  readonly protocol?: number;
  readonly length: bigint | "unknown";
  readonly type: "host" | "broadcast" | "multicast" | "other" | "unknown";
  readonly mark: Known;
  /** Whether a process of this host sends or is known to receive it. */
  readonly hasSocket: boolean;
  /** The ports of a bridge that br_netfilter has seen it at; `out` where the bridge sends it on. */
  readonly ports?: { readonly in: string; readonly out?: string };
  readonly flow: Flow;
  /** How far connection tracking is: it runs at priority -200 of prerouting and output. */
  readonly tracking: "ahead" | "done" | "skipped";
}

export function familyOfPacket(packet: Packet): Family | undefined {
  if (packet.etherType === 0x0800) return 4;
  return packet.etherType === 0x86dd ? 6 : undefined;
}

/** Whether connection tracking has seen the packet and knows its flow. */
export function isTracked({ flow, tracking }: Packet): boolean {
  return tracking === "done" && flow.state !== "invalid" && flow.state !== "untracked";
}
