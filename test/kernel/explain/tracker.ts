import type { Flow, Tuple } from "../../../src/explain/packet.ts";
import { toBits } from "../../../src/base/address.ts";
import type { WirePacket } from "./wire-packet.ts";

/** The flows that the kernel has confirmed so far, as the test expects it to know them. */
export class Tracker {
  readonly #flows: { readonly protocol: string; flow: Flow }[] = [];

  /** What connection tracking makes of a packet. */
  track(packet: WirePacket): Flow {
    const tuple = tupleOf(packet);
    for (const entry of this.#flows) {
      if (entry.protocol !== packet.protocol) continue;
      if (isSame(entry.flow.reply, tuple)) {
        entry.flow = { ...entry.flow, state: "established" };
        return { ...entry.flow, direction: "reply" };
      }
      if (isSame(entry.flow.original, tuple)) return { ...entry.flow, direction: "original" };
    }
    return newFlow(tuple, isInvalid(packet) ? "invalid" : "new");
  }

  /** The packet left the host or reached it, and its flow is known from now on. */
  confirm(packet: WirePacket, flow: Flow): void {
    if (flow.state !== "new" && flow.state !== "established") return;
    const known = this.#flows.find(
      (entry) => entry.protocol === packet.protocol && isSame(entry.flow.original, flow.original),
    );
    const settled = { ...flow, isSourceSettled: true, isDestinationSettled: true };
    if (known === undefined) this.#flows.push({ protocol: packet.protocol, flow: settled });
    else known.flow = settled;
  }
}

/** A TCP packet without flags, or the answer to an echo that nobody sent. */
function isInvalid(packet: WirePacket): boolean {
  if (packet.protocol === "tcp") return packet.flags === 0;
  return packet.protocol === "icmp" && (packet.icmpType === 0 || packet.icmpType === 129);
}

function tupleOf(packet: WirePacket): Tuple {
  const { source, destination, sourcePort, destinationPort, protocol } = packet;
  const isEcho = protocol === "icmp";
  return {
    source: toBits(source),
    destination: toBits(destination),
    sourcePort: BigInt(sourcePort),
    destinationPort: BigInt(isEcho ? sourcePort : destinationPort),
  };
}

function newFlow(original: Tuple, state: Flow["state"]): Flow {
  return {
    state,
    direction: "original",
    original,
    reply: {
      source: original.destination,
      destination: original.source,
      sourcePort: original.destinationPort ?? 0n,
      destinationPort: original.sourcePort ?? 0n,
    },
    isSourceRewritten: false,
    isDestinationRewritten: false,
    isSourceSettled: false,
    isDestinationSettled: false,
    mark: 0n,
  };
}

function isSame(a: Tuple, b: Tuple): boolean {
  return (
    a.source === b.source &&
    a.destination === b.destination &&
    a.sourcePort === b.sourcePort &&
    a.destinationPort === b.destinationPort
  );
}
