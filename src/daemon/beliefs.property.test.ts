import fc from "fast-check";
import { expect, it } from "vitest";
import { parseAddress } from "../base/address.ts";
import { parseInterfaceName } from "../base/interface-name.ts";
import { parseMac } from "../base/mac.ts";
import { diffTables } from "../nft/diff.ts";
import { printRuleset } from "../nft/print.ts";
import type { HostInterface } from "../model/inventory.ts";
import type { LibvirtTexts, SourceText } from "../model/source-text.ts";
import { guestNamespace } from "../parse/guest-metadata.ts";
import { FakeFilters, FakeHost, FakeLibvirt, FakePolicy } from "../ports/sources.fake.ts";
import type { LearnedFacts, LearnedSource } from "../ports/sources.ts";
import { planTables } from "../reconcile/plan-tables.ts";
import { Beliefs } from "./beliefs.ts";

/** What one guest of a small world is at a moment. */
interface GuestPlan {
  readonly runs: boolean;
  /** Undefined: one of its own. */
  readonly tap: number | undefined;
  readonly network: "a" | "b";
  readonly lease: number | undefined;
  /** The address that its own XML gives its nic, less the guest's number. */
  readonly own: number | undefined;
  /** An address that it claims by its agent, and one that it shows to its neighbours. */
  readonly says: number | undefined;
  readonly shows: number | undefined;
}

/** What the policy says of one guest. */
interface Wish {
  readonly publish: readonly string[];
  readonly from: readonly string[];
  readonly groups: readonly string[];
  readonly binding: Binding | undefined;
}

/** A filter on the guest's nic, and what is given to it. */
interface Binding {
  readonly filter: string;
  readonly parameters: Readonly<Record<string, readonly string[]>>;
}

interface PolicyPlan {
  readonly guests: readonly Wish[];
  readonly isolate: boolean;
}

interface WorldPlan {
  readonly guests: readonly GuestPlan[];
  readonly reserved: readonly number[];
  readonly uplinkAddresses: readonly number[];
  /** By then leases of every other guest have ended. */
  readonly isLate: boolean;
  /** Whether guests claim anything. */
  readonly isTold: boolean;
}

const claim = fc.option(fc.integer({ min: 10, max: 15 }), { nil: undefined, freq: 1 });

const guestPlan: fc.Arbitrary<GuestPlan> = fc.record({
  runs: fc.boolean(),
  tap: fc.option(fc.integer({ min: 3, max: 8 }), { nil: undefined, freq: 1 }),
  network: fc.constantFrom("a", "b"),
  lease: fc.option(fc.integer({ min: 10, max: 13 }), { nil: undefined }),
  own: fc.constantFrom(20, 30, ...Array.from({ length: 10 }, () => undefined)),
  says: claim,
  shows: claim,
});

/** `own` has values that are elements and values that stand in its rules. */
const binding: fc.Arbitrary<Binding> = fc.record({
  filter: fc.constantFrom("clean-traffic", "own"),
  parameters: fc.record(
    {
      CLASS: fc.constantFrom(["10"], ["46"]),
      PORT: fc.subarray(["22", "80"], { minLength: 1 }),
      IP: fc.constantFrom(["10.0.0.10"], ["10.0.0.10", "10.0.0.11"]),
      CTRL_IP_LEARNING: fc.constantFrom(["any"], ["dhcp"]),
    },
    { requiredKeys: ["CLASS", "PORT"] },
  ),
});

const wish: fc.Arbitrary<Wish> = fc.record({
  publish: fc.subarray(["tcp/80", "tcp/81:80", "udp/5000-5002", "udp/6000-6002:7000-7002"]),
  from: fc.subarray(["192.0.2.0/24", "office"]),
  groups: fc.subarray(["web", "db"]),
  binding: fc.option(binding, { nil: undefined }),
});

const policyPlan: fc.Arbitrary<PolicyPlan> = fc.record({
  guests: fc.array(wish, { minLength: 4, maxLength: 4 }),
  isolate: fc.boolean(),
});

const worldPlan: fc.Arbitrary<WorldPlan> = fc.record({
  guests: fc.array(guestPlan, { minLength: 4, maxLength: 4 }),
  reserved: fc.subarray([0, 1, 2, 3]),
  uplinkAddresses: fc.subarray([1, 2]),
  isLate: fc.boolean(),
  isTold: fc.boolean(),
});

/** The policy changes seldom: what is remembered of it outlives most changes of the world. */
const steps = fc
  .tuple(
    fc.array(policyPlan, { minLength: 1, maxLength: 2 }),
    fc.array(worldPlan, { maxLength: 6 }),
  )
  .map(([policies, worlds]) =>
    worlds.flatMap((world, index) => {
      const policy = policies[Math.floor(index / 3) % policies.length];
      // Between two changes of what surrounds the guests only guests come, go and move.
      const { reserved, uplinkAddresses, isTold } = worlds[index - (index % 3)] ?? world;
      return policy ? { policy, world: { ...world, reserved, uplinkAddresses, isTold } } : [];
    }),
  );

const macOf = (index: number) => `52:54:00:00:00:0${index}`;

function policyOf({ guests, isolate }: PolicyPlan): SourceText[] {
  const text = JSON.stringify({
    aliases: { office: ["198.51.100.0/24"] },
    groups: { web: { ingress: [{ allow: ["tcp/80"] }] }, db: { egress: [{ deny: ["udp/53"] }] } },
    networks: { a: { mode: "nat", isolate } },
    guests: Object.fromEntries(
      guests.map(({ publish, from, groups, binding: nic }, index) => [
        `g${index}`,
        // Each has ports of its own: what is published twice is an error that nothing follows from.
        {
          groups,
          publish: [{ address: `203.0.113.${index}`, ports: publish, from }],
          ...(nic && { nics: { [macOf(index)]: nic } }),
        },
      ]),
    ),
  });
  return [{ file: "policy.yaml", text }];
}

const ownFilter = {
  file: "own.xml",
  text:
    "<filter name='own'><rule action='accept' direction='inout'><ip srcipaddr='$IP'/></rule>" +
    "<rule action='accept' direction='out'><ip dscp='$CLASS'/></rule>" +
    "<rule action='accept' direction='in'><tcp dstportstart='$PORT'/></rule>" +
    "<rule action='drop' direction='inout'><all/></rule></filter>",
};

const uuidOf = (index: number) => `0a0f2a2c-5d0e-4f4b-9d5c-00000000000${index}`;

function ownWord({ network, own }: GuestPlan, index: number): string {
  if (own === undefined) return "";
  const address = `<address>10.0.${network === "a" ? 0 : 1}.${own + index}</address>`;
  return `<metadata><guest xmlns='${guestNamespace}'><nics mac='${macOf(index)}'>${address}</nics></guest></metadata>`;
}

function learnedOf({ guests, isTold }: WorldPlan): LearnedFacts {
  if (!isTold) return { agentAddresses: [], neighbours: [] };
  const facts = guests.flatMap(({ network, says, shows }, index) => {
    const mac = parseMac(macOf(index));
    const bridge = parseInterfaceName(`br${network}`);
    const addressOf = (last: number | undefined) =>
      parseAddress(`10.0.${network === "a" ? 0 : 1}.${last}`);
    if (mac === undefined || bridge === undefined) return [];
    return { mac, bridge, uuid: uuidOf(index), said: addressOf(says), shown: addressOf(shows) };
  });
  return {
    agentAddresses: facts.flatMap(({ mac, uuid, said: address }) =>
      address === undefined ? [] : { mac, uuid, address },
    ),
    neighbours: facts.flatMap(({ mac, bridge, shown: address }) =>
      address === undefined ? [] : { mac, bridge, address },
    ),
  };
}

class FakeLearned implements LearnedSource {
  facts: LearnedFacts = { agentAddresses: [], neighbours: [] };
  read = () => Promise.resolve(this.facts);
  watch = () => () => undefined;
  ask = () => Promise.resolve();
}

function textsOf({ guests, reserved, isLate }: WorldPlan): LibvirtTexts {
  const hosts = reserved.map((index) => `<host mac='${macOf(index)}' ip='10.0.0.${index + 50}'/>`);
  const network = (name: string, third: number, dhcp = "") => ({
    file: `${name}.xml`,
    text:
      `<network><name>${name}</name><forward mode='open'/><bridge name='br${name}'/>` +
      `<ip address='10.0.${third}.1' prefix='24'><dhcp>${dhcp}</dhcp></ip></network>`,
  });
  return {
    networks: [network("a", 0, hosts.join("")), network("b", 1)],
    guests: guests.flatMap((guest, index) => {
      const { runs, tap, network: name } = guest;
      return runs
        ? {
            file: `g${index}.xml`,
            text:
              `<domain><name>g${index}</name><uuid>${uuidOf(index)}</uuid>${ownWord(guest, index)}<devices><interface type='network'><mac address='${macOf(index)}'/>` +
              `<source network='${name}' bridge='br${name}'/><target dev='vnet${tap ?? index}'/></interface></devices></domain>`,
          }
        : [];
    }),
    readAt: isLate ? 150 : 50,
    leases: ["a", "b"].map((name, third) => ({
      file: `br${name}.status`,
      text: JSON.stringify(
        guests.flatMap((guest, index) =>
          guest.lease === undefined || guest.network !== name
            ? []
            : {
                "ip-address": `10.0.${third}.${guest.lease}`,
                "mac-address": macOf(index),
                "expiry-time": index % 2 === 0 ? 0 : 100,
              },
        ),
      ),
    })),
  };
}

function interfacesOf({ uplinkAddresses }: WorldPlan): HostInterface[] {
  const name = parseInterfaceName("eth0");
  const addresses = uplinkAddresses.flatMap((last) => parseAddress(`203.0.113.${last}`) ?? []);
  return name === undefined ? [] : [{ name, addresses, hasDefaultRoute: true }];
}

class Daemon {
  readonly #policy = new FakePolicy([]);
  readonly #libvirt = new FakeLibvirt({ networks: [], guests: [], leases: [] });
  readonly #host = new FakeHost([]);
  readonly #learned = new FakeLearned();
  readonly #beliefs = new Beliefs({
    policy: this.#policy,
    libvirt: this.#libvirt,
    host: this.#host,
    learned: this.#learned,
    filters: new FakeFilters({ filters: [], ownFilters: [ownFilter] }),
  });

  decide(policy: PolicyPlan, world: WorldPlan) {
    this.#policy.set(policyOf(policy));
    this.#libvirt.set(textsOf(world));
    this.#host.set(interfacesOf(world));
    this.#learned.facts = learnedOf(world);
    return this.decideNow();
  }

  async decideNow() {
    for (const source of ["policy", "libvirt", "host", "filters", "learned"] as const)
      await this.#beliefs.read(source);
    this.#beliefs.reconsider();
    const { problems = [], desired } = this.#beliefs.decision ?? {};
    return { problems, compiled: desired?.compiled, tables: desired?.compiled.tables ?? [] };
  }
}

it("what a daemon remembers of all that was before changes nothing of what it decides, nor of what it writes", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (moments) => {
      const old = new Daemon();
      const answers = [];
      for (const { policy, world } of moments) answers.push(await old.decide(policy, world));
      let before: (typeof answers)[number]["tables"] = [];
      for (const [index, { policy, world }] of moments.entries()) {
        const remembered = answers[index] ?? (await old.decideNow());
        // So that what is left of a last call, whose ever it was, is nothing.
        await new Daemon().decideNow();
        const fresh = await new Daemon().decide(policy, world);
        // Where two nics claim one tap the last good description of a guest stays, which a fresh daemon has none of.
        if (fresh.problems.some(({ severity }) => severity === "error")) return;
        expect(remembered.problems).toEqual(fresh.problems);
        expect(remembered.compiled).toEqual(fresh.compiled);
        expect(printRuleset(remembered.tables)).toBe(printRuleset(fresh.tables));
        // Copies share no object, so this compares every element and every rule.
        const slow = diffTables(structuredClone(before), structuredClone(fresh.tables));
        expect(planTables(before, remembered.tables).script).toBe(slow);
        before = remembered.tables;
      }
    }),
    { numRuns: 150 },
  );
});
