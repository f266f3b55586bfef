import { expect, test } from "vitest";
import { compile } from "../../src/compile/compile.ts";
import * as sample from "../../src/compile/sample.fake.ts";
import type { Filter, FilterMatch, FilterRule } from "../../src/model/filter.ts";
import {
  completedBy,
  filterProtocols,
  type AttributeType,
} from "../../src/model/filter-protocols.ts";
import type { Table } from "../../src/nft/ast.ts";
import { normalise } from "../../src/nft/normalise.ts";
import { printRuleset } from "../../src/nft/print.ts";
import { printRule } from "../../src/nft/print-statement.ts";
import { readTables } from "../../src/nft/read.ts";
import { loadInTurn } from "./nft-host.ts";

const { at } = sample;

/** Some value of each type. */
function valueOf(type: AttributeType, attribute: string): string {
  switch (type.kind) {
    case "number":
      return attribute.endsWith("end") || attribute.endsWith("-hi")
        ? String(type.max - 1)
        : String(Math.min(type.max, 2050) - 2);
    case "mac":
      return "52:54:00:ab:cd:ef";
    case "mac-mask":
      return "ff:ff:ff:f0:00:00";
    case "ipv4":
      return attribute.endsWith("to") ? "10.1.2.77" : "10.1.2.3";
    case "ipv4-mask":
      return "20";
    case "ipv6":
      return attribute.endsWith("to") ? "2001:db8::77" : "2001:db8::3";
    case "ipv6-mask":
      return "52";
    case "state":
      return "NEW,RELATED";
    case "tcp-flags":
      return "SYN,ACK/SYN";
    default:
      return "true";
  }
}

const unsupported = new Set(["gratuitous", "ipset", "ipsetflags", "connlimit-above"]);

function matchesOf(
  protocol: string,
  attributes: readonly string[],
  isNegated = false,
): FilterMatch[] {
  const types = filterProtocols.get(protocol)?.attributes ?? new Map<string, AttributeType>();
  return attributes.flatMap((attribute) => {
    const type = types.get(attribute);
    if (type === undefined || unsupported.has(attribute)) return [];
    const text = valueOf(type, attribute);
    return [
      {
        attribute,
        isNegated: isNegated && !completedBy.has(attribute),
        value: { kind: "literal", text } as const,
        at,
      },
    ];
  });
}

/** Each attribute alone, with what completes it, negated, two and two, and all together. */
function rulesOf(protocol: string): FilterRule[] {
  const attributes = [...(filterProtocols.get(protocol)?.attributes.keys() ?? [])];
  const plain = attributes.filter((name) => !completedBy.has(name));
  const completions = (name: string) =>
    attributes.filter((other) => completedBy.get(other) === name);
  const lists = [
    [],
    ...plain.map((name) => [name]),
    ...plain.map((name) => [name, ...completions(name)]),
    ...plain.flatMap((one, index) => plain.slice(index + 1).map((other) => [one, other])),
    plain,
    attributes,
  ];
  return lists.flatMap((list) => [
    ruleOf(protocol, matchesOf(protocol, list)),
    ruleOf(protocol, matchesOf(protocol, list, true)),
  ]);
}

function ruleOf(protocol: string, matches: FilterMatch[]): FilterRule {
  const head = { kind: "rule", action: "accept", direction: "inout", priority: 500 } as const;
  return { ...head, isStateless: false, protocol, matches, at };
}

function tablesOf(rules: readonly FilterRule[]) {
  const filter: Filter = { name: "every", chain: "root", entries: rules, at };
  const guests = new Map([["g1", sample.guestPolicy("g1", { filter: { name: "every", at } })]]);
  const inventory = sample.inventory({
    networks: [sample.network("lan")],
    guests: [sample.guest(1, "lan")],
    filters: new Map([["every", filter]]),
  });
  return compile(sample.policy({ guests }), inventory).tables;
}

/** Rules that the kernel lists otherwise than they were loaded, each as it was and as it is. */
function changedRules(tables: readonly Table[]): string[] {
  const [listing] = loadInTurn(printRuleset(tables));
  const read = readTables(listing?.json);
  return tables.map(normalise).flatMap(({ family, chains }) => {
    const theirs = read.find((table) => table.family === family)?.chains ?? [];
    return chains.flatMap(({ name, rules }) => {
      const others = theirs.find((chain) => chain.name === name)?.rules ?? [];
      return rules.flatMap((rule, index) => {
        const other = others[index];
        if (other !== undefined && JSON.stringify(rule) === JSON.stringify(other)) return [];
        return `${name}: ${printRule(rule)} | ${other === undefined ? "" : printRule(other)}`;
      });
    });
  });
}

test.each([...filterProtocols.keys()])(
  "the kernel lists rules about %s as they are",
  (protocol) => {
    const tables = tablesOf(rulesOf(protocol));
    expect(tables[1]?.chains.some(({ name }) => name.startsWith("from/every"))).toBe(true);
    expect([...new Set(changedRules(tables))]).toEqual([]);
  },
);
