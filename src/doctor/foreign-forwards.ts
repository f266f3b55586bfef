import { familyOf, formatAddress, toBits } from "../base/address.ts";
import type { PortRange } from "../base/port.ts";
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
    const numbers = numbersIn(rewriting);
    const grounds = { all: ground, others: { ...ground, tables } };
    const { publications, nics } = desired.compiled.intent;
    return publications.flatMap((publication) => {
      const published = { ...publication, guest: guestOf(publication, nics) };
      return findingsOf(published, portsToAsk(publication.public, numbers), grounds);
    });
  },
};

interface Published extends PublicationIntent {
  readonly guest: string;
}

function guestOf({ guestAddress }: PublicationIntent, nics: readonly NicIntent[]): string {
  const isIts = ({ addresses }: NicIntent) =>
    addresses.some(({ address }) => address === guestAddress);
  return nics.find(isIts)?.guest ?? guestAddress;
}

interface Grounds {
  readonly all: Ground;
  /** As if there were no tables of ours. */
  readonly others: Ground;
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
  { all, others }: Grounds,
): Finding | undefined {
  const question = questionOf(publication, port);
  const theirs = leadBy(others, question);
  const guestPort = port - publication.public.first + publication.guestPorts.first;
  const ours = textOf(publication.guestAddress, guestPort);
  if (theirs === undefined || theirs.to === ours) return undefined;
  const { rule, to } = theirs;
  const isTaken = leadBy(all, question)?.to === to;
  const asked = `${publication.protocol}/${port} of ${publication.address}`;
  const guest = quote(publication.guest);
  return {
    severity: isTaken ? "error" : "warning",
    message: isTaken
      ? `${rule.owner} leads ${asked} to ${to}: nobody outside reaches ${guest}, for which it is published`
      : `virtwall leads ${asked} to ${guest}: nobody outside reaches ${to}, where ${rule.owner} leads it`,
    evidence: [`${rule.family} ${rule.table} ${rule.chain}: ${rule.text ?? `rule ${rule.number}`}`],
    fix: {
      text: `take that rule away where ${rule.owner} has it from, or: virtwall publish remove ${shellWord(publication.guest)} ${publication.protocol}/${port}`,
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
function portsToAsk({ first, last }: PortRange, numbers: ReadonlySet<number>): readonly number[] {
  const within = [...numbers].filter((number) => first < number && number < last);
  return [...new Set([first, ...within.toSorted((a, b) => a - b), last])];
}

/** Every number that stands anywhere in a value. */
function numbersIn(value: unknown): ReadonlySet<number> {
  if (typeof value === "number") return new Set([value]);
  if (typeof value !== "object" || value === null) return new Set();
  return new Set(Object.values(value).flatMap((each) => [...numbersIn(each)]));
}
