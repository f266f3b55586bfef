import type { Expression, Statement } from "../nft/ast.ts";
import { evaluate, type Scope } from "./evaluate.ts";
import { withField } from "./mangle.ts";
import type { Outcome } from "./outcome.ts";
import { familyOfPacket, type Flow, type Packet, type Tuple } from "./packet.ts";
import type { Hook, RulePlace, Step } from "./state.ts";
import type { Known, Loaded } from "./value.ts";

type Nat = Extract<Statement, { kind: "dnat" | "snat" | "masquerade" | "redirect" }>;

interface Target {
  readonly address?: Known;
  readonly port?: Known;
}

/** A rule of a nat chain that rewrites: its chain ends, and so does the search for one that does. */
export function translate(nat: Nat, scope: Scope, place: RulePlace): Outcome[] {
  const { state } = scope;
  const target = targetOf(nat, scope);
  if (target === "none") return [{ state, end: "break" }];
  // The kernel passes it over for a packet of the other family (nft_nat_inet_eval).
  if (!isOfFamily(nat, state.packet)) return [{ state, end: "next" }];
  const isSource = nat.kind === "snat" || nat.kind === "masquerade";
  const packet = rewriteEnd(state.packet, isSource ? "source" : "destination", target);
  const accepted = { ...state, packet };
  if (target.address !== "unknown" && target.port !== "unknown") {
    return [{ state: accepted, end: { kind: "accept" } }];
  }
  const doubts = [...state.doubts, { place, reason: "where it rewrites to" }];
  return [
    { state: { ...accepted, doubts }, end: { kind: "accept" } },
    ...(isLookup(nat) ? [{ state: { ...state, doubts }, end: "break" as const }] : []),
  ];
}

function isOfFamily(nat: Nat, packet: Packet): boolean {
  if (!("family" in nat) || nat.family === undefined) return true;
  return (nat.family === "ip") === (familyOfPacket(packet) === 4);
}

function isLookup(nat: Nat): boolean {
  return "address" in nat && nat.address?.kind === "map";
}

/** `none`: its lookup finds nothing, so the rule does not match. */
function targetOf(nat: Nat, scope: Scope): Target | "none" {
  const fields = addressOf(nat, scope);
  const port = nat.port === undefined ? [] : evaluate(nat.port, ["inet_service"], scope);
  if ([...fields, ...port].includes("absent")) return "none";
  const [address, mapped] = fields;
  const [given] = port;
  return {
    ...(address !== undefined && address !== "absent" && { address }),
    ...portOf(given ?? mapped, nat.port),
  };
}

function portOf(loaded: Loaded | undefined, written: Expression | undefined): Target {
  if (loaded === undefined || loaded === "absent") return {};
  return { port: written?.kind === "range" ? "unknown" : loaded };
}

function addressOf(nat: Nat, scope: Scope): readonly Loaded[] {
  const { context, state } = scope;
  const family = familyOfPacket(state.packet);
  if (nat.kind === "dnat" || nat.kind === "snat") {
    return nat.address === undefined
      ? []
      : evaluate(nat.address, ["address", "inet_service"], scope);
  }
  if (nat.kind === "redirect" && context.hook === "output") {
    return [family === 4 ? 0x7f000001n : 1n];
  }
  const device = context.host.interfaces.get(
    (nat.kind === "redirect" ? context.iif : context.oif) ?? "",
  );
  if (device === undefined) return ["unknown"];
  const own = device.addresses.filter((address) => address.family === family);
  const [first, ...more] = own;
  // An interface without one borrows another's (inet_select_addr).
  if (first === undefined) return ["unknown"];
  return more.length > 0 && nat.kind === "masquerade" ? ["unknown"] : [first.bits];
}

/** The rewritten packet of a new flow, which remembers how. */
function rewriteEnd(packet: Packet, end: "source" | "destination", target: Target): Packet {
  const { flow } = packet;
  const [answerEnd, settled, rewritten] =
    end === "source"
      ? (["destination", "isSourceSettled", "isSourceRewritten"] as const)
      : (["source", "isDestinationSettled", "isDestinationRewritten"] as const);
  const before = { address: flow.reply[answerEnd], port: flow.reply[`${answerEnd}Port`] };
  const address = target.address ?? before.address;
  const port = before.port === undefined ? undefined : (target.port ?? before.port);
  const isChanged = address !== before.address || port !== before.port;
  const reply: Tuple = {
    ...flow.reply,
    [answerEnd]: address,
    ...(port !== undefined && { [`${answerEnd}Port`]: port }),
  };
  const changed: Flow = { ...flow, reply, [settled]: true, [rewritten]: isChanged };
  return { ...packet, flow: changed };
}

/** Whether a rule gave the packet another destination there. */
export function leadsElsewhere({ table, chain, index }: Step): boolean {
  const rule = table.chains.find(({ name }) => name === chain)?.rules[index ?? -1];
  return rule?.statements.some(({ kind }) => kind === "dnat" || kind === "redirect") === true;
}

const sourceHooks: ReadonlySet<Hook> = new Set(["input", "postrouting"]);

/** Which end the kernel rewrites at a hook. */
export function endAt(hook: Hook): "source" | "destination" {
  return sourceHooks.has(hook) ? "source" : "destination";
}

/** Rewrites the packet at a hook as its flow says (nf_nat_packet of the kernel's nf_nat_core.c). */
export function applyFlow(packet: Packet, hook: Hook): Packet {
  const { flow } = packet;
  const end = endAt(hook);
  const isReply = flow.direction === "reply";
  const isSourceInOriginal = (end === "source") !== isReply;
  if (!(isSourceInOriginal ? flow.isSourceRewritten : flow.isDestinationRewritten)) return packet;
  const other = isReply ? flow.original : flow.reply;
  const [address, port] =
    end === "source"
      ? [other.destination, other.destinationPort]
      : [other.source, other.sourcePort];
  return rewritePacket(packet, end, { address, port });
}

/** Protocols whose ports are in the first four bytes. */
const portProtocols: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp" };

function rewritePacket(
  packet: Packet,
  end: "source" | "destination",
  { address, port }: { address: Known; port: Known | undefined },
): Packet {
  const protocol = familyOfPacket(packet) === 4 ? "ip" : "ip6";
  const name = end === "source" ? "s" : "d";
  const addressed = withField(packet, [protocol, `${name}addr`], address);
  const upper = portProtocols[packet.protocol ?? 0];
  if (upper === undefined || port === undefined) return addressed;
  return withField(addressed, [upper, `${name}port`], port);
}
