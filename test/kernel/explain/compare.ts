import { readBits, type Layer } from "../../../src/explain/layer.ts";
import type { Step } from "../../../src/explain/state.ts";
import type { Way } from "../../../src/explain/walk.ts";
import type { Passage } from "./traced-host.ts";
import { addressFamily, headerBytes, type WirePacket } from "./wire-packet.ts";
import type { Trace } from "./trace.ts";

/** Which rule of its chain each handle is, by `family table`. */
export type Handles = ReadonlyMap<string, number>;

interface Listed {
  readonly rule?: {
    readonly family: string;
    readonly table: string;
    readonly chain: string;
    readonly handle: number;
  };
}

export function readHandles(listing: { readonly nftables: readonly Listed[] }): Handles {
  const handles = new Map<string, number>();
  const counts = new Map<string, number>();
  for (const { rule } of listing.nftables) {
    if (rule === undefined) continue;
    const chain = `${rule.family} ${rule.table} ${rule.chain}`;
    const index = counts.get(chain) ?? 0;
    counts.set(chain, index + 1);
    handles.set(`${rule.family} ${rule.table} ${String(rule.handle)}`, index);
  }
  return handles;
}

/** The kernel's account in the words of the evaluator's. */
export function kernelTrail(traces: readonly Trace[], handles: Handles): string[] {
  return traces.flatMap(({ family, table, chain, kind, handle, verdict }) => {
    const place = `${family} ${table} ${chain}`;
    if (kind === "policy") return [`${place}: policy ${verdict}`];
    if (handle === undefined) return [];
    const index = handles.get(`${family} ${table} ${String(handle)}`);
    return [`${place} ${String(index)}: ${verdict}`];
  });
}

/** Tracing begins with the rule that turns it on. */
export function evaluatedTrail(
  steps: readonly Step[],
  isTraced: (step: Step) => boolean,
): string[] {
  const first = steps.findIndex(isTraced);
  return (first < 0 ? [] : steps.slice(first)).map(({ table, chain, index, verdict }) => {
    const place = `${table.family} ${table.name} ${chain}`;
    const word = verdict === "reject" ? "drop" : verdict;
    return index === undefined ? `${place}: ${word}` : `${place} ${String(index)}: ${word}`;
  });
}

export function isTracing({ table, index }: Step): boolean {
  return table.name === "traced" && index !== undefined;
}

/** What became of the packet, as one line: `none`, or the tap it came out of and what its headers had become. */
export function kernelFate(passage: Passage, packet: WirePacket, way: Way): string {
  const found = passage.frames.find(({ bytes }) => isOurs(bytes, packet.tag));
  if (found === undefined) return "none";
  const family = addressFamily(packet.source);
  const network = found.bytes.subarray(14, 14 + headerBytes(family));
  const transport = found.bytes.subarray(14 + headerBytes(family));
  const { packet: expected } = way.state;
  return [
    found.tap,
    known(expected.network, network),
    expected.transport === undefined ? "" : known(expected.transport, transport),
  ].join(" ");
}

export function evaluatedFate({ fate, state: { packet } }: Way): string {
  if (fate.kind !== "sent" || fate.dev === "lo") return "none";
  const { network, transport } = packet;
  return [
    fate.dev,
    known(network, network.bytes),
    transport === undefined ? "" : known(transport, transport.bytes),
  ].join(" ");
}

/** The bytes in hex, with `..` for those that the evaluator does not claim to know. */
function known(claimed: Layer, bytes: Uint8Array): string {
  const pairs = Array.from(bytes, (byte, index) =>
    readBits(claimed, { offset: index * 8, length: 8 }) === "unknown"
      ? ".."
      : byte.toString(16).padStart(2, "0"),
  );
  return pairs.join("");
}

/** What the host answers by itself has another TTL. */
function isOurs(frame: Buffer, tag: number): boolean {
  const isFour = frame.readUInt16BE(12) === 0x0800;
  const found = isFour ? frame.readUInt16BE(18) : frame.readUInt32BE(14) & 0xffff;
  return found === tag && !ownTtls.has(frame[isFour ? 22 : 21] ?? 0);
}

const ownTtls = new Set([64, 255]);
