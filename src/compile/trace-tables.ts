import { familyOf, type Address, type Family } from "../base/address.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import type { Mac } from "../base/mac.ts";
import type { Intent, NicIntent, PublicationIntent } from "../model/intent.ts";
import type { BaseChain, Chain, Rule, Statement, Table } from "../nft/ast.ts";
import { ct, equal, goto, iifname, jump, meta, payload, rule, value } from "../nft/build.ts";
import { families, ip, oneOf, portExpression } from "./matches.ts";
import { traceChains } from "./names.ts";

/** Whose packets are traced. */
export interface Traced {
  readonly nics: readonly NicIntent[];
  readonly publications: readonly PublicationIntent[];
}

/** All packets of a guest's nics, those to its publications among them. Undefined where no such guest runs. */
export function tracedGuest({ nics, publications }: Intent, guest: string): Traced | undefined {
  const own = nics.filter((nic) => nic.guest === guest);
  const addresses = new Set(addressesOf(own));
  return own.length === 0
    ? undefined
    : {
        nics: own,
        publications: publications.filter(({ guestAddress }) => addresses.has(guestAddress)),
      };
}

/** The packets to a publication and what its guest answers. */
export function tracedPublication(
  { publications }: Intent,
  asked: { readonly address: Address; readonly port: number },
): Traced | undefined {
  const found = publications.filter(
    (publication) =>
      publication.address === asked.address &&
      publication.public.first <= asked.port &&
      asked.port <= publication.public.last,
  );
  return found.length === 0 ? undefined : { nics: [], publications: found };
}

/** Before all others, so that what they drop is seen; raw is -300, defragmentation -400. */
const firstPriority = -450;
/** Where connections are known, so that an answer to a rewritten source is seen; that is at -200. */
const trackedPriority = -150;
const lastPriority = 0x7fff_ffff;

/** A busy guest is not to drown the host in its own trace. */
const perSecond = 100;

/**
 * The tables of one trace: rules that turn the kernel's tracing on for the packets meant, and chains at the end of the way that tell
 * that a packet came there. Verdicts are all `accept`, and no packet is changed.
 */
export function traceTables(name: string, traced?: Traced): readonly Table[] {
  const { turnOn, pick, pickTracked, endInput, endPostrouting } = traceChains;
  const base = (hook: BaseChain["hook"], priority: number): BaseChain => {
    return { type: "filter", hook, priority, policy: "accept" };
  };
  const first: readonly Chain[] = [
    { name: turnOn, rules: [turnOnRule] },
    { name: pick, rules: traced === undefined ? [] : pickRules(traced) },
  ];
  const ends: readonly Chain[] = [
    { name: endInput, base: base("input", lastPriority), rules: [] },
    { name: endPostrouting, base: base("postrouting", lastPriority), rules: [] },
  ];
  const picking = (hook: "prerouting" | "output"): Chain => {
    return { name: hook, base: base(hook, firstPriority), rules: [rule(jump(pick))] };
  };
  const tracked = (hook: "prerouting" | "output"): Chain => {
    const rules = [rule(jump(pickTracked))];
    return { name: `${hook}_tracked`, base: base(hook, trackedPriority), rules };
  };
  const bridgePick = traced === undefined ? [] : pickFrames(traced);
  return [
    {
      family: "inet",
      name,
      sets: [],
      chains: [
        ...first,
        { name: pickTracked, rules: traced === undefined ? [] : pickFlows(traced) },
        ...ends,
        picking("prerouting"),
        picking("output"),
        tracked("prerouting"),
        tracked("output"),
      ],
    },
    {
      family: "bridge",
      name,
      sets: [],
      chains: [
        { name: turnOn, rules: [turnOnRule] },
        { name: pick, rules: bridgePick },
        ...ends,
        picking("prerouting"),
        picking("output"),
      ],
    },
  ];
}

const turnOnRule = rule(
  { kind: "limit", rate: perSecond, per: "second", burst: perSecond },
  { kind: "mangle", key: meta("nftrace"), value: value(1) },
);

const picked = (...matches: readonly Statement[]): Rule =>
  rule(...matches, goto(traceChains.turnOn));

function pickRules(traced: Traced): Rule[] {
  return [...pickByAddress(traced), ...traced.publications.flatMap(pickPublication)];
}

function pickByAddress({ nics }: Traced): Rule[] {
  return byFamily(addressesOf(nics)).flatMap(([family, addresses]) =>
    (["saddr", "daddr"] as const).map((end) =>
      picked(equal(payload(ip(family), end), oneOf(addresses.map(value)))),
    ),
  );
}

function pickPublication(publication: PublicationIntent): Rule[] {
  const { address, protocol, guestAddress, guestPorts } = publication;
  const name = ip(familyOf(address));
  return [
    picked(
      equal(payload(name, "daddr"), value(address)),
      equal(payload(protocol, "dport"), portExpression(publication.public)),
    ),
    picked(
      equal(payload(name, "saddr"), value(guestAddress)),
      equal(payload(protocol, "sport"), portExpression(guestPorts)),
    ),
  ];
}

/** An answer to a guest whose source was rewritten bears the host's address until nat has turned it round. */
function pickFlows({ nics }: Traced): Rule[] {
  return byFamily(addressesOf(nics)).map(([family, addresses]) =>
    picked(equal(ct(`${ip(family)} saddr`, "original"), oneOf(addresses.map(value)))),
  );
}

/** Frames, on the bridges: by tap and by hardware address, since a nic without a known address has packets too. */
function pickFrames({ nics, publications }: Traced): Rule[] {
  const taps = nics.flatMap(({ tap }): InterfaceName[] => (tap === undefined ? [] : [tap]));
  const macs = nics.map(({ mac }): Mac => mac);
  return [
    ...(taps.length === 0 ? [] : [picked(equal(iifname, oneOf(taps.map(value))))]),
    ...(macs.length === 0
      ? []
      : [picked(equal(payload("ether", "daddr"), oneOf(macs.map(value))))]),
    ...publications.flatMap(pickPublication),
  ];
}

function addressesOf(nics: readonly NicIntent[]): Address[] {
  return nics.flatMap(({ addresses }) => addresses.map(({ address }) => address));
}

function byFamily(addresses: readonly Address[]): (readonly [Family, readonly Address[]])[] {
  return families.flatMap((family) => {
    const own = [...new Set(addresses.filter((address) => familyOf(address) === family))];
    return own.length === 0 ? [] : [[family, own] as const];
  });
}
