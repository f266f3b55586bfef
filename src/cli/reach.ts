import { answer, type Answer } from "../explain/answer.ts";
import type { Ground } from "../explain/walk.ts";
import type { Intent, NetworkIntent, PublicationIntent } from "../model/intent.ts";
import { UsageError } from "./exit-status.ts";
import { readQuestion, type Words } from "./explain-words.ts";
import { doubtLegacy, knownNic } from "./ground.ts";

/** What becomes of each question, by its words. */
export type Reached = ReadonlyMap<string, Answer>;

/**
 * What explain would be asked of this host: of each network by its first guest with an address of a family, about the world, the host,
 * the host's name server and the other networks; and of each publication, by one for whom it is.
 */
export function questionsOf(intent: Intent): readonly Words[] {
  const guests = intent.networks.flatMap((network) => guestsOf(intent, network));
  const ways = guests.flatMap(({ name, address }): readonly Words[] => [
    { protocol: "tcp", from: address, to: "world:443" },
    { protocol: "udp", from: address, to: "host:53" },
    { protocol: "tcp", from: "host", to: withPort(address, 22) },
    { protocol: "tcp", from: "world", to: withPort(address, 22) },
    ...guests
      .filter((other) => other.name !== name && is6(other.address) === is6(address))
      .map((other) => ({ protocol: "tcp", from: address, to: withPort(other.address, 22) })),
  ]);
  return [...ways, ...intent.publications.map(publicationWords)];
}

function guestsOf(
  { nics }: Intent,
  { name, bridge, mode }: NetworkIntent,
): readonly { readonly name: string; readonly address: string }[] {
  if (mode === "bridge") return [];
  const addresses = nics
    .filter((nic) => nic.bridge === bridge && nic.tap !== undefined)
    .flatMap((nic) => nic.addresses.map(({ address }) => address));
  const first = [false, true].map((wanted) => addresses.find((one) => is6(one) === wanted));
  return first.flatMap((address) => (address === undefined ? [] : [{ name, address }]));
}

function is6(address: string): boolean {
  return address.includes(":");
}

function withPort(address: string, port: number): string {
  return is6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

function publicationWords({ protocol, address, from, ...ports }: PublicationIntent): Words {
  const [peer] = from;
  const sender = peer?.kind === "prefix" ? peer.prefix.address : "world";
  return { protocol, from: sender, to: withPort(address, ports.public.first) };
}

export interface Site {
  readonly ground: Ground;
  readonly nics: readonly ReturnType<typeof knownNic>[];
  /** Tables of iptables-legacy that no installed program lists. */
  readonly legacy: readonly string[];
}

export function askAll(questions: readonly Words[], { ground, nics, legacy }: Site): Reached {
  return new Map(
    questions.map((words) => {
      const title = `${words.protocol} ${words.from} -> ${words.to}`;
      return [title, doubtLegacy(ask(words, { ground, nics }), legacy)];
    }),
  );
}

function ask(words: Words, site: Pick<Site, "ground" | "nics">): Answer {
  try {
    const question = readQuestion({ words }, { ...site, guests: [] });
    // They are asked for by address.
    if ("guest" in question) throw new UsageError(`there is no guest ${question.guest}`);
    return answer(site.ground, question);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { verdict: "unknown", way: "there", detail: error.message, path: [] };
  }
}

/** Those that arrived before and do not any more, or of which nobody knows. */
export function lostReach(before: Reached, after: Reached): readonly string[] {
  return [...before].flatMap(([title, { verdict }]) => {
    const now = after.get(title);
    const isLost = verdict === "delivered" && now?.verdict !== "delivered";
    return isLost ? [`${title} was delivered and is ${describeAnswer(now)}`] : [];
  });
}

export function describeAnswer(found: Answer | undefined): string {
  if (found === undefined) return "not asked";
  const { verdict, way, because, detail } = found;
  const where = because && `${because.family} ${because.table} ${because.chain} (${because.owner})`;
  const answers = way === "back" ? ", on the way back" : "";
  if (verdict === "delivered") return verdict;
  return [`${verdict}${answers}`, where ?? detail].filter((part) => part !== "").join(" by ");
}
