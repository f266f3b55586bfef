import { type Address, familyOf, formatAddress, toBits } from "../base/address.ts";
import { formatPortRange, type PortRange } from "../base/port.ts";
import { quote } from "../base/quote.ts";
import { follow } from "../explain/answer.ts";
import { loadField } from "../explain/load.ts";
import { nameStep, type NamedRule } from "../explain/named-rule.ts";
import type { Question } from "../explain/question.ts";
import type { Step } from "../explain/state.ts";
import type { Ground, Way } from "../explain/walk.ts";
import type { NicIntent, PublicationIntent } from "../model/intent.ts";
import type { Examination, Finding } from "./examination.ts";
import { shellWord } from "../base/shell-word.ts";

/**
 * Rules of others that lead a published port elsewhere. Of two rules that rewrite a connection the first one counts: what stands ahead of
 * ours takes the port from the guest, and what comes later is never reached.
 */
export const foreignForwards: Examination<"ground" | "desired"> = {
  id: "foreign-forwards",
  needs: ["ground", "desired"],
  examine({ ground, desired }) {
    const tables = ground.tables.filter(({ name }) => name !== "virtwall");
    const rewriting = tables.filter(({ chains }) =>
      chains.some(({ base }) => base?.type === "nat" && base.hook === "prerouting"),
    );
    if (rewriting.length === 0) return [];
    const lines = portLines(rewriting);
    const others = { ...ground, tables };
    const grounds = { all: ground, others, isForwarded: forwardedIn(others, lines) };
    const { publications, nics } = desired.compiled.intent;
    const guests = guestsByAddress(nics);
    return publications.flatMap((publication) => {
      const { guestAddress } = publication;
      const published = { ...publication, guest: guests.get(guestAddress) ?? guestAddress };
      return findingsOf(published, portsToAsk(publication.public, lines), grounds);
    });
  },
};

interface Published extends PublicationIntent {
  readonly guest: string;
}

function guestsByAddress(nics: readonly NicIntent[]): ReadonlyMap<Address, string> {
  const guests = new Map<Address, string>();
  for (const { guest, addresses } of nics) {
    for (const { address } of addresses) if (!guests.has(address)) guests.set(address, guest);
  }
  return guests;
}

interface Grounds {
  readonly all: Ground;
  /** As if there were no tables of ours. */
  readonly others: Ground;
  /** False only where no rule of theirs leads the question anywhere. */
  readonly isForwarded: (question: Question) => boolean;
}

/** One of each rule. */
function findingsOf(
  publication: Published,
  ports: readonly number[],
  grounds: Grounds,
): readonly Finding[] {
  const findings = ports.flatMap((port) => findingOf(publication, port, grounds) ?? []);
  return findings.filter(
    ({ evidence }, index) =>
      findings.findIndex((other) => other.evidence[0] === evidence[0]) === index,
  );
}

function findingOf(
  publication: Published,
  port: number,
  { all, others, isForwarded }: Grounds,
): Finding | undefined {
  const question = questionOf(publication, port);
  const theirs = isForwarded(question) ? leadBy(others, question) : undefined;
  const guestPort = port - publication.public.first + publication.guestPorts.first;
  const ours = textOf(publication.guestAddress, guestPort);
  if (theirs === undefined || theirs.to === ours) return undefined;
  const { rule, to } = theirs;
  const isTaken = leadBy(all, question)?.to === to;
  const asked = `${publication.protocol}/${port} of ${publication.address}`;
  const guest = quote(publication.guest);
  const published = `${publication.protocol}/${formatPortRange(publication.public)}`;
  return {
    severity: isTaken ? "error" : "warning",
    message: isTaken
      ? `${rule.owner} leads ${asked} to ${to}: nobody outside reaches ${guest}, for which it is published`
      : `virtwall leads ${asked} to ${guest}: nobody outside reaches ${to}, where ${rule.owner} leads it`,
    evidence: [`${rule.family} ${rule.table} ${rule.chain}: ${rule.text ?? `rule ${rule.number}`}`],
    fix: {
      text: `take that rule away where ${rule.owner} has it from, or: virtwall publish remove ${shellWord(publication.guest)} ${published}`,
    },
  };
}

function questionOf({ address, protocol, from }: PublicationIntent, port: number): Question {
  const [peer] = from;
  return {
    protocol,
    family: familyOf(address),
    from: peer?.kind === "prefix" ? toBits(peer.prefix.address) : "world",
    to: toBits(address),
    port,
  };
}

/** Where the first rule that rewrites leads, and which it is; undefined where none does. */
function leadBy(
  ground: Ground,
  question: Question,
): { readonly to: string; readonly rule: NamedRule } | undefined {
  const { end } = follow(ground, question);
  const step = end?.state.trail.find(isRewriting);
  if (end === undefined || step === undefined) return undefined;
  return { to: destinationOf(end, question), rule: nameStep(step) };
}

function isRewriting({ table, chain, index, context }: Step): boolean {
  const rules = table.chains.find(({ name }) => name === chain)?.rules ?? [];
  const statements = index === undefined ? [] : (rules[index]?.statements ?? []);
  return (
    context?.hook === "prerouting" &&
    statements.some(({ kind }) => kind === "dnat" || kind === "redirect")
  );
}

function destinationOf({ state: { packet } }: Way, { family, protocol }: Question): string {
  const address = loadField(family === 4 ? "ip" : "ip6", "daddr", { packet });
  const port = loadField(protocol, "dport", { packet });
  const known = typeof address === "bigint" ? formatAddress(family, address) : "somewhere else";
  return typeof port === "bigint" ? textOf(known, Number(port)) : known;
}

function textOf(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Its ends, and within it what rules of others may tell apart. */
function portsToAsk({ first, last }: PortRange, { numbers }: PortLines): readonly number[] {
  const within = numbers.slice(positionOf(first + 1, numbers), positionOf(last, numbers));
  return [...new Set([first, ...within, last])];
}

/** By what rules tell ports apart. */
interface PortLines {
  /** In order: what is asked of two ports, neither of them among these and none of these between them, is the same. */
  readonly numbers: readonly number[];
  /** Rules look at single bits of ports, so that any two may differ. */
  readonly hasBits: boolean;
}

function portLines(tables: Ground["tables"]): PortLines {
  const numbers = new Set<number>();
  let hasBits = false;
  const look = (value: unknown): void => {
    if (typeof value === "number") numbers.add(value);
    if (typeof value !== "object" || value === null) return;
    hasBits ||= isOfBits(value);
    for (const each of Object.values(value)) look(each);
  };
  look(tables);
  return { numbers: [...numbers].toSorted((a, b) => a - b), hasBits };
}

/** A part of a rule that takes some bits of a field, or any of the packet. */
function isOfBits(part: { readonly kind?: unknown; readonly left?: unknown }): boolean {
  if (part.kind === "raw") return true;
  const left = (part.left ?? {}) as { readonly kind?: unknown };
  return ["&", "|", "^"].includes(String(part.kind)) && left.kind === "payload";
}

/** Asks once of all ports that no rule tells apart: of ten thousand publications a foreign forward concerns few. */
function forwardedIn(ground: Ground, { numbers, hasBits }: PortLines): Grounds["isForwarded"] {
  const known = new Map<string, boolean>();
  return (question) => {
    const { protocol, from, to, port = 0 } = question;
    const position = positionOf(port, numbers);
    if (hasBits || numbers[position] === port) return true;
    const key = [protocol, from, to, position].join();
    const isForwarded = known.get(key) ?? leadBy(ground, question) !== undefined;
    known.set(key, isForwarded);
    return isForwarded;
  };
}

/** Of the first that is not less. */
function positionOf(number: number, ordered: readonly number[]): number {
  let [low, high] = [0, ordered.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ordered[middle] ?? Infinity) < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
