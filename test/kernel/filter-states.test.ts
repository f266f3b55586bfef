import { beforeAll, describe, expect, test } from "vitest";

import { runInMachine } from "../../lab/machine.ts";
import type { BridgeFacts } from "../../src/model/inventory.ts";
import { formatProblem } from "../../src/model/problem-text.ts";
import type { Table } from "../../src/nft/ast.ts";
import { diffTables } from "../../src/nft/diff.ts";
import { printRuleset } from "../../src/nft/print.ts";
import { readTables } from "../../src/nft/read.ts";
import { parseInventory } from "../../src/parse/inventory.ts";
import { parsePolicy } from "../../src/parse/policy.ts";
import { decide } from "../../src/reconcile/decide.ts";
import { playExchanges, taps, type ExchangeCase, type Ground } from "../world/exchanges.ts";

/*
 * Filters about packets, by both ways in which rules on a bridge can know the states of connections: stamps where br_netfilter leads
 * frames through the inet chains, and the kernel's own tracking on bridges, which only the lab's machine has.
 */

const macs = { a: "52:54:00:00:00:0a", b: "52:54:00:00:00:0b", c: "52:54:00:00:00:0c" };
const bridges = { a: "virbr0", b: "virbr0", c: "virbr1" };

type Name = keyof typeof macs;
const names = ["a", "b", "c"] as const;

interface FilterCase {
  readonly name: string;
  /** The rules of each guest's filter. */
  readonly filters: Partial<Record<Name, string>>;
  /** `rejected` is `refused` where the bridge can reject, and `silent` where it only drops. */
  readonly lines: readonly string[];
  /** Tables of somebody else's. */
  readonly beside?: string;
  /** Stamps do not do. */
  readonly needsTracking?: true;
}

const dropAll = `<rule action='drop' direction='inout'><all/></rule>`;
const tcp = (action: string, direction: string, port: number, more = "") =>
  `<rule action='${action}' direction='${direction}' ${more}><tcp dstportstart='${port}'/></rule>`;
const udp = (action: string, direction: string, port: number) =>
  `<rule action='${action}' direction='${direction}'><udp dstportstart='${port}'/></rule>`;
/** Neighbour discovery is ICMPv6. */
const dropAll6 = `<rule action='accept' direction='inout'><icmpv6/></rule>
  <rule action='drop' direction='inout'><all-ipv6/></rule>`;

const times = (count: number, line: string) => Array.from({ length: count }, () => line);

const cases: readonly FilterCase[] = [
  {
    name: "connections above a limit are cut off, each source and nic for itself, in the direction of the rule",
    needsTracking: true,
    filters: {
      a: `<rule action='drop' direction='in'><tcp connlimit-above='2'/></rule>`,
      b: `<rule action='accept' direction='in'><tcp connlimit-above='1' match='no'/></rule>
        <rule action='drop' direction='in'><tcp/></rule>
        <rule action='reject' direction='out'><tcp dstportstart='7' connlimit-above='3'/></rule>`,
      c: `<rule action='drop' direction='out'><tcp-ipv6 connlimit-above='2'/></rule>`,
    },
    lines: [
      ...times(2, "tcp4 world -> a:7 => ok"),
      ...times(2, "tcp4 world -> a:7 => silent"),
      ...times(2, "tcp4 host -> a:7 => ok"),
      "tcp4 host -> a:7 => silent",
      ...times(4, "tcp4 a -> c:7 => ok"),
      ...times(4, "tcp6 world -> a:7 => ok"),
      ...times(4, "udp4 world -> a:7 => ok"),
      "tcp4 c -> b:7 => ok",
      "tcp4 c -> b:7 => silent",
      "tcp4 world -> b:7 => ok",
      ...times(3, "tcp4 b -> c:7 => ok"),
      "tcp4 b -> c:7 => rejected",
      ...times(2, "tcp6 c -> host:7 => ok"),
      "tcp6 c -> world:7 => silent",
      ...times(4, "tcp4 c -> world:7 => ok"),
      ...times(4, "tcp6 world -> c:7 => ok"),
    ],
  },
  {
    name: "what is rejected is answered where the bridge can, whatever the filter lets reach the guest",
    filters: {
      a: `${tcp("reject", "out", 9) + tcp("accept", "out", 7) + dropAll}
        <rule action='reject' direction='out'><tcp-ipv6 dstportstart='9'/></rule>${dropAll6}`,
      b: `<rule action='reject' direction='inout'><all/></rule>`,
    },
    lines: [
      ...["b", "c", "host", "world"].flatMap((name) => [
        `tcp4 a -> ${name}:9 => rejected`,
        `tcp6 a -> ${name}:9 => rejected`,
      ]),
      "tcp4 a -> c:7 => ok",
      "tcp4 a -> b:7 => silent",
      "udp4 a -> world:9 => silent",
      "udp4 b -> c:7 => rejected",
      "tcp4 b -> host:7 => rejected",
      "tcp4 world -> b:7 => silent",
    ],
  },
  {
    name: "what bears the mark of an answer by somebody else's hand is none",
    needsTracking: true,
    filters: { b: tcp("reject", "out", 9) + udp("drop", "in", 7) },
    beside: `table inet beside {
        chain output { type filter hook output priority 0; meta mark set 0x0e000000; }
        chain forward { type filter hook forward priority 9; meta mark set 0x0e000000; }
      }
      table bridge beside {
        chain prerouting { type filter hook prerouting priority 5; meta mark set 0x0e000000; }
      }`,
    lines: [
      ...["a", "host", "world"].map((name) => `udp4 ${name} -> b:7 => silent`),
      "tcp4 b -> a:9 => rejected",
      "udp6 a -> b:7 => ok",
    ],
  },
  {
    name: "what a guest may begin is answered, and nobody begins with it",
    filters: { a: tcp("accept", "out", 7) + dropAll },
    lines: [
      "tcp4 a -> b:7 => ok",
      "tcp4 a -> c:7 => ok",
      "tcp4 a -> host:7 => ok",
      "tcp4 a -> world:7 => ok",
      "udp4 a -> b:7 => silent",
      "tcp4 a -> b:9 => silent",
      "tcp4 b -> a:7 => silent",
      "tcp4 c -> a:7 => silent",
      "tcp4 host -> a:7 => silent",
      "tcp4 world -> a:7 => silent",
      // IPv6 has rules of its own, and here none.
      "tcp6 b -> a:7 => ok",
      "udp6 a -> world:7 => ok",
    ],
  },
  {
    name: "what others may begin is answered, and the guest begins nothing; IPv6 has rules of its own",
    filters: {
      a:
        tcp("accept", "in", 7) +
        dropAll +
        `<rule action='accept' direction='in'><tcp-ipv6 dstportstart='7'/></rule>${dropAll6}`,
    },
    lines: [
      ...["b", "c", "host", "world"].flatMap((name) => [
        `tcp4 ${name} -> a:7 => ok`,
        `tcp6 ${name} -> a:7 => ok`,
        `tcp4 a -> ${name}:7 => silent`,
        `tcp6 a -> ${name}:7 => silent`,
      ]),
      "udp4 world -> a:7 => silent",
      "udp6 host -> a:7 => silent",
      "tcp4 host -> a:9 => silent",
    ],
  },
  {
    name: "datagrams are answered as connections are, in pieces too",
    filters: {
      a:
        udp("accept", "in", 7) +
        dropAll +
        `<rule action='accept' direction='in'><udp-ipv6 dstportstart='7'/></rule>${dropAll6}`,
    },
    lines: [
      "udp4 world -> a:7 => ok",
      ...["b", "c", "host", "world"].flatMap((name) => [
        `udp4 ${name} -> a:7 3000 bytes => ok`,
        `udp6 ${name} -> a:7 3000 bytes => ok`,
        `udp4 a -> ${name}:7 3000 bytes => silent`,
        `udp6 a -> ${name}:7 3000 bytes => silent`,
      ]),
    ],
  },
  {
    name: "an error about a connection passes where related packets do; a rule without states passes each packet by itself",
    filters: {
      a: `${udp("accept", "out", 9)}<rule action='accept' direction='in'><icmp state='RELATED'/></rule>${dropAll}`,
      b: tcp("accept", "out", 7, "statematch='false'") + dropAll,
      c: udp("accept", "out", 9) + dropAll,
    },
    lines: [
      "udp4 a -> host:9 => refused",
      "udp4 a -> world:9 => refused",
      "udp4 a -> world:7 => silent",
      "udp4 c -> host:9 => silent",
      "udp4 c -> world:9 => silent",
      "tcp4 b -> host:7 => ok",
      "tcp4 b -> world:7 => ok",
      "tcp4 world -> b:7 => silent",
    ],
  },
  {
    name: "two filters on the way must both let a connection pass; a state alone is a rule for every protocol",
    filters: {
      a: tcp("accept", "out", 7) + dropAll,
      b: `<rule action='accept' direction='inout'><all state='ESTABLISHED'/></rule>
        <rule action='accept' direction='in'><all state='NEW'/></rule>${dropAll}`,
      c: tcp("accept", "in", 9) + dropAll,
    },
    lines: [
      "tcp4 a -> b:7 => ok",
      "tcp4 a -> c:7 => silent",
      "udp4 a -> b:7 => silent",
      "udp4 world -> b:7 => ok",
      "tcp4 host -> b:7 => ok",
      "udp4 b -> world:7 => silent",
      "tcp4 b -> host:7 => silent",
    ],
  },
];

function tablesOf({ filters }: FilterCase, facts: BridgeFacts): readonly Table[] {
  const policyText = names
    .filter((name) => filters[name] !== undefined)
    .map((name) => `  ${name}: { filter: of-${name} }\n`)
    .join("");
  const { policy, problems } = parsePolicy([
    {
      file: "policy.yaml",
      text: `networks: { n0: { mode: open }, n1: { mode: open } }\nguests:\n${policyText}`,
    },
  ]);
  const parsed = parseInventory(
    {
      networks: ["0", "1"].map((id) => ({ file: `n${id}.xml`, text: networkXml(id) })),
      guests: names.map((name) => ({ file: `${name}.xml`, text: guestXml(name) })),
      leases: [],
      ownFilters: names.map((name) => ({
        file: `of-${name}.xml`,
        text: `<filter name='of-${name}' chain='root'>${filters[name] ?? ""}</filter>`,
      })),
    },
    [],
  );
  const inventory = { ...parsed.inventory, host: { ...parsed.inventory.host, bridges: facts } };
  const decision = decide(
    {
      policy,
      policyProblems: problems,
      inventory,
      inventoryProblems: parsed.problems,
      inventoryFiles: new Set(),
    },
    undefined,
  );
  const errors = decision.problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map((each) => formatProblem(each)).join("\n"));
  return decision.desired?.compiled.tables ?? [];
}

function networkXml(id: string): string {
  return `<network><name>n${id}</name><uuid>6b1c7c3e-0000-4000-8000-00000000000${id}</uuid>
    <forward mode='open'/><bridge name='virbr${id}'/>
    <ip address='10.20.${id}.1' netmask='255.255.255.0'/><ip family='ipv6' address='fd00:${id}::1' prefix='64'/></network>`;
}

function guestXml(name: Name): string {
  const network = bridges[name].replace("virbr", "n");
  return `<domain type='kvm' id='1'><name>${name}</name><uuid>0d0c7c3e-0000-4000-8000-00000000000${name}</uuid><devices>
    <interface type='network'><mac address='${macs[name]}'/><source network='${network}' bridge='${bridges[name]}'/>
    <target dev='${taps[name]}'/></interface></devices></domain>`;
}

interface Way {
  readonly ground: Ground;
  readonly facts: BridgeFacts;
}

const ways: Readonly<Record<string, Way>> = {
  "stamps, here": {
    ground: "here",
    facts: { filtered: [4, 6], isTracked: false, canReject: false },
  },
  "tracking, in the machine": {
    ground: "machine",
    facts: { filtered: [], isTracked: true, canReject: true },
  },
  "tracking, in the machine, with br_netfilter": {
    ground: "machine",
    facts: { filtered: [4, 6], isTracked: true, canReject: true },
  },
};

/** What came of the lines, by way and case. All ways at once, since they mostly wait for what does not come. */
const heard = new Map<string, ReadonlyMap<string, readonly string[]>>();

beforeAll(async () => {
  const plays = Object.entries(ways).map(async ([way, { ground, facts }]) => {
    const wanted = casesFor(facts).map((each): ExchangeCase => {
      const ruleset = `${printRuleset(tablesOf(each, facts))}${each.beside ?? ""}\n`;
      return { name: each.name, lines: linesFor(each, facts), ruleset };
    });
    heard.set(way, await playExchanges(wanted, ground, facts.filtered.length > 0));
  });
  await Promise.all(plays);
}, 240_000);

function casesFor({ isTracked }: BridgeFacts): readonly FilterCase[] {
  return isTracked ? cases : cases.filter(({ needsTracking }) => needsTracking !== true);
}

function linesFor({ lines }: FilterCase, { canReject }: BridgeFacts): string[] {
  return lines.map((line) => line.replace(/rejected$/, canReject ? "refused" : "silent"));
}

describe.each(Object.entries(ways))("%s", (way, { facts }) => {
  test.each(casesFor(facts))("$name", (each) => {
    expect(heard.get(way)?.get(each.name)).toEqual(linesFor(each, facts));
  });
});

test("where br_netfilter is switched off behind our back, a drop of some state lets nothing pass", async () => {
  const shut = `<rule action='drop' direction='in'><tcp dstportstart='7' state='NEW'/></rule>
    <rule action='drop' direction='in'><tcp-ipv6 dstportstart='7' state='NEW'/></rule>`;
  const lines = ["tcp4 b -> a:7 => silent", "tcp6 b -> a:7 => silent", "tcp4 a -> c:7 => ok"];
  const each = { name: "shut", filters: { a: shut }, lines };
  const facts: BridgeFacts = { filtered: [4, 6], isTracked: false, canReject: false };
  const wanted = { ...each, ruleset: printRuleset(tablesOf(each, facts)) };
  expect((await playExchanges([wanted], "here", false)).get("shut")).toEqual(lines);
});

test("a kernel that tracks on bridges lists the tables so that nothing is to be changed", async () => {
  const facts: BridgeFacts = { filtered: [], isTracked: true, canReject: true };
  // Its address is not known, so that it is learnt.
  const learning = { a: "<filterref filter='clean-traffic'/>" };
  const some = [...cases, { name: "learning", filters: learning, lines: [] }];
  const loaded = some.map((each) => tablesOf(each, facts));
  expect(printRuleset(loaded.at(-1) ?? [])).toContain("learn");
  const files = loaded.map((tables, index) => [`${index}.nft`, printRuleset(tables)] as const);
  const steps = files.map(
    ([file]) => `nft flush ruleset; nft -f ${file}; nft -j list ruleset; echo`,
  );
  const run = ["set -e", ...steps].join("\n");
  const { status, output } = await runInMachine({ ...Object.fromEntries(files), run });
  expect(status, output).toBe(0);
  const listings = output.split("\n").filter((line) => line !== "");
  for (const [index, tables] of loaded.entries()) {
    expect(diffTables(readTables(JSON.parse(listings[index] ?? "")), tables)).toBe("");
  }
}, 120_000);
