import { isIPv6 } from "node:net";
import type { Attempt } from "./agent.ts";
import type { Outcome, PacketLine } from "./packet-lines.ts";
import { type World, type WorldSpec, worldAddresses } from "./world.ts";

/** Long enough that only a packet that was dropped is late. */
const patienceMs = 2000;
/** What is to be blocked is given less, since every such line waits until the end. */
const briefMs = 250;

/** Who has which addresses, in the words of packets.txt. */
export class Directory {
  readonly #spec: WorldSpec;
  constructor(spec: WorldSpec) {
    this.#spec = spec;
  }

  /** Addresses of `host`, `world`, `internet` or a guest; undefined for any other word. */
  addressesOf(word: string): readonly string[] | undefined {
    if (word === "host") return bare(this.#spec.uplink.addresses);
    if (word === "world") return worldAddresses.onLink;
    if (word === "internet") return worldAddresses.beyond;
    const guest = this.#spec.guests.find(({ name }) => name === word);
    return guest && bare(guest.nics.flatMap((nic) => nic.addresses));
  }

  /** The host's addresses on the bridge of a guest. */
  gatewaysOf(word: string): readonly string[] {
    const nic = this.#spec.guests.find(({ name }) => name === word)?.nics[0];
    const bridge = this.#spec.bridges.find(({ name }) => name === nic?.bridge);
    return bare(bridge?.addresses ?? []);
  }

  /** The agent that answers at an address: a word of {@link addressesOf}, or undefined where nobody stands there. */
  ownerOf(address: string): string | undefined {
    const onHost = this.#spec.bridges.flatMap((bridge) => bare(bridge.addresses));
    if (onHost.includes(address)) return "host";
    const words = ["host", "world", "internet", ...this.#spec.guests.map(({ name }) => name)];
    const word = words.find((candidate) => this.addressesOf(candidate)?.includes(address));
    return word === "internet" ? "world" : word;
  }

  /** The addresses of both ends of a line. */
  ends(line: PacketLine): { readonly from: string; readonly to: string } {
    const from = line.source ?? this.resolve(line.from, line.family, line.to);
    return { from, to: this.resolve(line.to, line.family, line.from) };
  }

  /** The address that a word means at one end of a line; `other` is the guest at the other end. */
  resolve(word: string, family: 4 | 6, other: string): string {
    const isSix = family === 6;
    const candidates = word === "gateway" ? this.gatewaysOf(other) : this.addressesOf(word);
    const address = (candidates ?? [word]).find((candidate) => isIPv6(candidate) === isSix);
    if (address === undefined) throw new Error(`${word} has no IPv${family} address`);
    return address;
  }
}

const bare = (prefixes: readonly string[]): string[] =>
  prefixes.map((prefix) => prefix.split("/")[0] ?? prefix);

/** Sends what packets.txt says through one world. */
export class PacketRunner {
  readonly #world: World;
  readonly #directory: Directory;

  constructor(world: World, spec: WorldSpec) {
    this.#world = world;
    this.#directory = new Directory(spec);
  }

  /** Somebody listens at every end that a line names, so that nothing is blocked just because nobody is there. */
  async listen(lines: readonly PacketLine[]): Promise<void> {
    await Promise.all(
      lines.flatMap((line) => {
        if (line.protocol === "icmp") return [];
        const { outcome, protocol } = line;
        const asked = this.#directory.ownerOf(this.#destination(line));
        const ends =
          asked === undefined ? [] : [this.#world.agent(asked).listen(protocol, line.port)];
        if (outcome.kind !== "answered") return ends;
        return [...ends, this.#world.agent(outcome.by).listen(protocol, outcome.port)];
      }),
    );
  }

  /** All lines at once. Each comes back as it should have been written: unchanged where the promise holds. */
  run(lines: readonly PacketLine[]): Promise<string[]> {
    return Promise.all(
      lines.map(async (line) => {
        const attempt = await this.#attempt(line, line.outcome);
        const found = this.#describe(line, attempt);
        return `${line.text.split(" => ")[0]} => ${found}`;
      }),
    );
  }

  /** The addresses of both ends of a line. */
  ends(line: PacketLine): { readonly from: string; readonly to: string } {
    return this.#directory.ends(line);
  }

  /** The agent that stands at an address. */
  ownerOf(address: string): string | undefined {
    return this.#directory.ownerOf(address);
  }

  /** Without any rule, what is promised to be blocked must arrive: else the world blocks it, not the ruleset. */
  runUnruled(lines: readonly PacketLine[]): Promise<string[]> {
    const blocked = lines.filter(
      (line) =>
        line.outcome.kind === "blocked" &&
        this.#directory.ownerOf(this.#destination(line)) !== undefined,
    );
    return Promise.all(
      blocked.map(async (line) => {
        const attempt = await this.#attempt(line, { kind: "delivered" });
        return attempt.outcome === "answered" ? "" : `${line.text} even without any rule`;
      }),
    ).then((faults) => faults.filter((fault) => fault !== ""));
  }

  #destination(line: PacketLine): string {
    return this.#directory.resolve(line.to, line.family, line.from);
  }

  #attempt(line: PacketLine, outcome: Outcome): Promise<Attempt> {
    const isInternet = line.from === "internet";
    const source = isInternet ? this.#directory.resolve("internet", line.family, "") : line.source;
    return this.#world.agent(isInternet ? "world" : line.from).attempt(line.protocol, {
      host: this.#destination(line),
      port: line.port,
      ...(source !== undefined && { source }),
      ...(line.sourcePort !== undefined && { sourcePort: line.sourcePort }),
      timeoutMs: outcome.kind === "blocked" ? briefMs : patienceMs,
    });
  }

  #describe(line: PacketLine, attempt: Attempt): string {
    const { outcome } = line;
    if (attempt.outcome === "refused") return "refused";
    if (attempt.outcome !== "answered") return "blocked";
    if (line.protocol === "icmp") return "delivered";
    const owner = this.#directory.ownerOf(this.#destination(line));
    const isAsked = attempt.by === owner && attempt.port === line.port;
    if (outcome.kind === "delivered" && isAsked) return "delivered";
    const answer = `${attempt.by}:${attempt.port}`;
    if (outcome.kind !== "answered") return `${answer} from ${attempt.saw}`;
    if (outcome.saw === undefined) return answer;
    const expected = this.#directory.resolve(outcome.saw, line.family, outcome.by);
    return `${answer} from ${expected === attempt.saw ? outcome.saw : attempt.saw}`;
  }
}
