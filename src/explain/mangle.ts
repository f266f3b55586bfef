import type { Expression, Statement } from "../nft/ast.ts";
import { evaluate, type Scope, typesOf } from "./evaluate.ts";
import { fieldOf } from "./fields.ts";
import { writeBits } from "./layer.ts";
import { loadField } from "./load.ts";
import type { Outcome } from "./outcome.ts";
import { isTracked, type Packet } from "./packet.ts";
import type { RulePlace } from "./state.ts";
import type { Known, Loaded } from "./value.ts";

/** `KEY set VALUE`. */
export function mangle(
  { key, value }: Extract<Statement, { kind: "mangle" }>,
  scope: Scope,
  place: RulePlace,
): Outcome[] {
  const { state } = scope;
  const [loaded = "unknown"] =
    isFromPacket(value) && key.kind !== "payload"
      ? (["unknown"] as const)
      : evaluate(value, typesOf(key), scope);
  if (loaded === "absent") return [{ state, end: "break" }];
  const written = { ...state, packet: write(key, loaded, scope) };
  if (loaded !== "unknown") return [{ state: written, end: "next" }];
  const doubt = { place, reason: "the value it sets" };
  return [
    { state: { ...written, doubts: [...state.doubts, doubt] }, end: "next" },
    { state: { ...state, doubts: [...state.doubts, doubt] }, end: "break" },
  ];
}

/** nft 1.0.6 turns the bytes of a header field that goes into a mark round in some forms and leaves them in others. */
function isFromPacket(value: Expression): boolean {
  switch (value.kind) {
    case "payload":
    case "raw":
    case "unknown":
      return true;
    case "&":
    case "|":
    case "^":
      return isFromPacket(value.left) || isFromPacket(value.right);
    default:
      return false;
  }
}

function write(key: Expression, value: Exclude<Loaded, "absent">, scope: Scope): Packet {
  const { packet } = scope.state;
  switch (key.kind) {
    case "meta":
      return key.key === "mark" ? { ...packet, mark: value } : packet;
    case "ct":
      // Where no flow is known yet the kernel writes nothing, and the rule goes on (nft_ct_set_eval).
      return key.key === "mark" && isTracked(packet)
        ? { ...packet, flow: { ...packet.flow, mark: value } }
        : packet;
    case "payload":
      return withField(packet, [key.protocol, key.field], value);
    default:
      return packet;
  }
}

/** The packet with a header field changed as the kernel does it: it mends the checksums, to what is not followed here. */
export function withField(
  packet: Packet,
  field: readonly [protocol: string, name: string],
  value: Known,
): Packet {
  const changed = replaceField(packet, field, value);
  if (field[1] === "checksum" || changed === packet) return changed;
  const upper = upperProtocols[packet.protocol ?? 0];
  const mended = replaceField(changed, ["ip", "checksum"], "unknown");
  return upper === undefined ? mended : replaceField(mended, [upper, "checksum"], "unknown");
}

const upperProtocols: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp", 58: "icmpv6" };

function replaceField(
  packet: Packet,
  [protocol, name]: readonly [protocol: string, name: string],
  value: Known,
): Packet {
  const field = fieldOf(protocol, name);
  const layer = field === undefined ? undefined : packet[field.base];
  if (field === undefined || layer === undefined) return packet;
  if (loadField(protocol, name, { packet }) === "absent") return packet;
  const isVague = typeof value === "object";
  const changed = {
    ...packet,
    [field.base]: writeBits(layer, field, isVague ? "unknown" : value),
  };
  if (name !== "saddr" && name !== "daddr") return changed;
  const { [name]: _, ...others } = packet.outsiders ?? {};
  return { ...changed, outsiders: isVague ? { ...others, [name]: value } : others };
}
