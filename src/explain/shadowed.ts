import { formatAddress } from "../base/address.ts";
import type { Answer, Followed } from "./answer.ts";
import { insertRule } from "./fix-foreign-rule.ts";
import { guestKey, guestWord } from "./guest-word.ts";
import type { Knowledge, KnownPublication } from "./knowledge.ts";
import { leadsElsewhere } from "./nat.ts";
import { nameStep } from "./named-rule.ts";
import { enter, type Question } from "./question.ts";
import type { Step } from "./state.ts";
import { addressOf, type Stop } from "./stop.ts";
import { ownerOf } from "./table-owner.ts";
import type { Ground } from "./walk.ts";

/** A question about a port of the host's own, and what became of it. */
export interface Called {
  readonly ground: Ground;
  readonly question: Question;
  readonly followed: Followed;
  readonly knowledge: Knowledge;
}

type Shadow = Pick<Answer, "verdict" | "detail" | "because"> & { readonly fix: string };

/** What arrives, but at somebody else than the guest for whom the port is published. */
export function shadowOf(called: Called): Shadow | undefined {
  const { question, followed, knowledge } = called;
  const { answer, end } = followed;
  const published = publicationOf(called);
  // A flow that is tracked goes where it went.
  if (published === undefined || question.answers !== undefined) return undefined;
  if (answer.verdict !== "delivered" || end === undefined) return undefined;
  const { guest, reason } = published;
  const own = knowledge.nics.filter((nic) => nic.guest === guest);
  const led = addressOf(end.state, "daddr");
  if (led === undefined || own.some(({ addresses }) => addresses.includes(led))) return undefined;
  const port = `${question.protocol}/${String(question.port)}`;
  const leader = end.state.trail.find(leadsElsewhere);
  const instead =
    leader === undefined
      ? "the host itself answers in its place"
      : `another rule leads it to ${led}`;
  return {
    verdict: "lost",
    detail: `${port} is published for ${guest}, and ${instead}`,
    ...(leader !== undefined && { because: nameStep(leader) }),
    fix: reason === undefined ? takeBack(called, leader) : fixPending(published, own[0]?.mac),
  };
}

/** A publication that leads nowhere yet. */
export function fixPending({ guest }: KnownPublication, mac: string | undefined): string {
  return mac === undefined
    ? `virsh start ${guestWord(guest)}`
    : `guests: { ${guestKey(guest)}: { nics: { "${mac}": { address: ADDRESS } } } }`;
}

/** Asked first, a chain of nat lets be what it accepts; virtwall's own chain is the next that is asked. */
function takeBack(called: Called, leader: Step | undefined): string {
  const hasOwn = called.ground.tables.some(({ name }) => name === "virtwall");
  const stop = leader && hasOwn ? stopAt(called, leader) : undefined;
  return stop === undefined ? "virtwall apply" : insertRule(stop);
}

/** The packet as it came to the rule that led it elsewhere. */
function stopAt({ ground, question, followed, knowledge }: Called, last: Step): Stop | undefined {
  const entry = enter(ground, question);
  if ("kind" in entry || followed.end === undefined) return undefined;
  const { trail } = followed.end.state;
  return {
    ground,
    question,
    knowledge,
    answer: followed.answer,
    packet: entry.packet,
    trail,
    last,
  };
}

export interface Hidden {
  /** `tcp/80`. */
  readonly service: string;
  /** What lets it be reached. */
  readonly fix: string;
}

/** A service of the host itself that is not reached, since its port leads to a guest. */
export function hiddenBy(called: Called): Hidden | undefined {
  const { ground, question, followed } = called;
  const { protocol, family, to, port, iif = "" } = question;
  const { answer, end } = followed;
  if (answer.rewritten === undefined || end === undefined) return undefined;
  if (protocol === "icmp" || typeof to !== "bigint" || port === undefined) return undefined;
  if (!ground.host.hears({ protocol, family, address: to, port, iif })) return undefined;
  const service = `${protocol}/${String(port)}`;
  const leader = end.state.trail.find(leadsElsewhere);
  if (leader === undefined) return undefined;
  if (ownerOf(leader.table, leader.chain) === "virtwall") {
    const published = publicationOf(called);
    if (published === undefined) return undefined;
    const { guest, first, last } = published;
    const ports = first === last ? String(first) : `${String(first)}-${String(last)}`;
    return { service, fix: `virtwall publish remove ${guestWord(guest)} ${protocol}/${ports}` };
  }
  const stop = stopAt(called, leader);
  return stop && { service, fix: insertRule(stop) };
}

/** What is published at the address and port that is asked for; without an address at those by which the world finds the host. */
function publicationOf({ ground, question, knowledge }: Called): KnownPublication | undefined {
  const { to, family, protocol, port = 0 } = question;
  if (typeof to !== "bigint") return undefined;
  const asked = formatAddress(family, to);
  const out = ground.host.route({
    family,
    source: "unknown",
    destination: ground.host.outsider(family),
    mark: 0n,
  });
  const uplink = out.kind === "unicast" ? ground.host.interfaces.get(out.dev) : undefined;
  const isFacing = uplink?.addresses.some((own) => own.family === family && own.bits === to);
  return knowledge.publications.find(
    (each) =>
      each.protocol === protocol &&
      each.first <= port &&
      port <= each.last &&
      (each.address === undefined ? isFacing : each.address === asked),
  );
}
