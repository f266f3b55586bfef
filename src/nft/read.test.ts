import { describe, expect, it } from "vitest";
import type { Verdict } from "./ast.ts";
import * as nft from "./build.ts";
import { UnexpectedJson } from "./json.ts";
import { elementsNear } from "./listed-elements.ts";
import { readElementCounts, readTables, readTablesOnDemand } from "./read.ts";

const table = (flags?: unknown) => ({
  table: { family: "inet", name: "t", handle: 1, ...(flags === undefined ? {} : { flags }) },
});
const listing = (...objects: readonly unknown[]) => ({
  nftables: [{ metainfo: { version: "1.0.6" } }, table(), ...objects],
});
const set = (properties: object) => ({
  set: { family: "inet", table: "t", name: "s", handle: 2, ...properties },
});
const map = (properties: object) => ({
  map: { family: "inet", table: "t", name: "s", handle: 2, ...properties },
});
const rule = (...expr: readonly unknown[]) => ({
  rule: { family: "inet", table: "t", chain: "c", handle: 3, expr },
});
const chain = { chain: { family: "inet", table: "t", name: "c", handle: 1 } };

const onlySet = (object: unknown) => readTables(listing(object))[0]?.sets[0];
const onlyRule = (...expr: readonly unknown[]) =>
  readTables(listing(chain, rule(...expr)))[0]?.chains[0]?.rules[0]?.statements;

describe("on demand", () => {
  it("sets hold the same, in the kernel's order", () => {
    const json = listing(
      set({ type: "ipv4_addr", elem: ["10.0.0.2", "10.0.0.1"] }),
      map({
        type: "inet_proto",
        map: "inet_service",
        elem: [
          [17, 53],
          ["tcp", 22],
        ],
      }),
    );
    const [read] = readTables(json);
    const [table] = readTablesOnDemand(json);
    expect(table?.sets.map(({ elements }) => elements)).toEqual([
      read?.sets[0]?.elements.toReversed(),
      read?.sets[1]?.elements.toReversed(),
    ]);
  });

  it("elements are read once, and not before somebody asks for them", () => {
    const [known] = readTablesOnDemand(listing(set({ type: "inet_service", elem: [22] })));
    expect(known?.sets[0]?.elements).toBe(known?.sets[0]?.elements);
    const strange = listing(set({ type: "inet_service", elem: [{ concat: 5 }] }));
    const [table] = readTablesOnDemand(strange);
    expect(table?.sets[0]?.type).toEqual(["inet_service"]);
    expect(() => table?.sets[0]?.elements).toThrow(UnexpectedJson);
  });

  it("elements near numbers are those that have them, and those whose fields are no plain numbers", () => {
    const key = (protocol: unknown, port: unknown) => ({ concat: ["10.0.0.1", protocol, port] });
    const counted = { elem: { val: key(6, 80), counter: { packets: 1, bytes: 1 } } };
    const range = key(17, { range: [80, 90] });
    const elem = [key(6, 81), counted, "*", key(17, 80), range, key("tcp", 80)];
    const type = ["ipv4_addr", "inet_proto", "inet_service"];
    const [read] = readTables(listing(set({ type, elem: [counted, "*", range, key("tcp", 80)] })));
    const [table] = readTablesOnDemand(listing(set({ type, elem })));
    const [listed] = table?.sets ?? [];
    if (listed === undefined) throw new Error("the table has a set");
    expect(new Set(elementsNear(listed, [undefined, 6, 80]))).toEqual(
      new Set(read?.sets[0]?.elements),
    );
    expect(elementsNear(listed, [undefined, undefined, 81])).toHaveLength(3);
    expect(elementsNear(listed, [undefined, undefined, undefined])).toBe(listed.elements);
    // One that is no listing's has its elements at hand.
    expect(elementsNear({ ...listed }, [undefined, 6, 80])).toHaveLength(6);
  });
});

describe("sets are read", () => {
  const socket = ["ipv4_addr", "inet_service"];

  it.each([
    ["one name", "ipv4_addr", ["ipv4_addr"]],
    ["a list", socket, socket],
    ["one joined name", "ipv4_addr . inet_service", socket],
    [
      "typeof",
      {
        typeof: {
          concat: [
            { payload: { protocol: "ip", field: "daddr" } },
            { payload: { protocol: "tcp", field: "dport" } },
          ],
        },
      },
      socket,
    ],
  ])("with a type given as %s", (_title, type, expected) => {
    expect(onlySet(set({ type }))?.type).toEqual(expected);
    expect(onlySet(map({ type: "ifname", map: type }))?.data).toEqual(expected);
  });

  it("with elements that count", () => {
    const elem = [{ elem: { val: "eth0", counter: { packets: 5, bytes: 9 } } }, "eth1"];
    expect(onlySet(set({ type: "ifname", stmt: [{ counter: null }], elem }))).toEqual({
      name: "s",
      type: ["ifname"],
      flags: [],
      counter: true,
      elements: [{ key: nft.value("eth0") }, { key: nft.value("eth1") }],
    });
  });

  it("with what they have and we do not know, for that is a difference", () => {
    expect(onlySet(set({ type: "ifname", policy: "memory", comment: "x" }))?.unknown).toBe(
      '{"policy":"memory","comment":"x"}',
    );
    const elem = [{ elem: { val: "eth0", comment: "mine" } }];
    expect(onlySet(set({ type: "ifname", elem }))?.elements[0]?.unknown).toBe('{"comment":"mine"}');
  });

  it("as maps whose elements are pairs", () => {
    const elem = [
      ["eth0", { goto: { target: "x" } }],
      [{ elem: { val: "eth1", counter: { packets: 0, bytes: 0 } } }, { drop: null }],
    ];
    expect(onlySet(map({ type: "ifname", map: "verdict", elem }))?.elements).toEqual([
      { key: nft.value("eth0"), data: nft.goto("x") },
      { key: nft.value("eth1"), data: nft.drop },
    ]);
  });
});

describe("rules are read", () => {
  it("without the counts of a counter", () => {
    expect(onlyRule({ counter: { packets: 3, bytes: 4 } }, { drop: null })).toEqual([
      { kind: "counter" },
      nft.drop,
    ]);
  });

  it("with statements that have no place in the AST kept as JSON, a known one with an unknown property among them", () => {
    const queue = { queue: { num: 3 } };
    const random = { masquerade: { flags: "random" } };
    const none = { op: "!", left: { payload: { protocol: "tcp", field: "flags" } }, right: "syn" };
    expect(onlyRule(queue, random, { match: none })).toEqual([
      { kind: "unknown", json: JSON.stringify(queue) },
      { kind: "unknown", json: JSON.stringify(random) },
      { kind: "unknown", json: JSON.stringify({ match: none }) },
    ]);
  });

  it("with expressions that have no place in the AST kept as JSON", () => {
    const raw = { payload: { tunnel: "vxlan", protocol: "ip", field: "saddr" } };
    expect(onlyRule({ match: { op: "==", left: raw, right: 53 } })).toEqual([
      nft.equal({ kind: "unknown", json: JSON.stringify(raw) }, nft.value(53)),
    ]);
  });

  it("with options of TCP by number, whatever nft calls them", () => {
    const asks = (option: object) => ({
      match: { op: "==", left: { "tcp option": option }, right: true },
    });
    expect(onlyRule(asks({ name: "sack-perm" }), asks({ base: 254, offset: 0, len: 8 }))).toEqual([
      nft.equal(nft.tcpOption(4), nft.value("exists")),
      nft.equal(nft.tcpOption(254), nft.value("exists")),
    ]);
    const field = asks({ name: "maxseg", field: "size" });
    expect(onlyRule(field)?.[0]).toMatchObject({ left: { kind: "unknown" } });
  });

  it.each([[["fin", "syn"]], [{ "|": ["fin", "syn"] }]])(
    "with a mask of flags, in the words of any version: %j",
    (mask) => {
      const tcpFlags = { payload: { protocol: "tcp", field: "flags" } };
      const match = { op: "!=", left: { "&": [tcpFlags, mask] }, right: "syn" };
      expect(onlyRule({ match })).toEqual([
        nft.notEqual(
          { kind: "&", left: nft.payload("tcp", "flags"), right: nft.flags("fin", "syn") },
          nft.value("syn"),
        ),
      ]);
    },
  );

  it("with elements that count connections, and kept as JSON where they do anything else", () => {
    const set = (stmt: unknown) => ({ set: { op: "add", elem: "10.0.0.1", set: "@s", stmt } });
    const read = (stmt: unknown) => onlyRule(JSON.parse(JSON.stringify(set(stmt))));
    const known = { kind: "set", op: "add", set: "s", key: nft.value("10.0.0.1"), over: 2 };
    expect(read([{ "ct count": { val: 2, inv: true } }])).toEqual([known]);
    for (const other of [[{ "ct count": { val: 2 } }], [{ counter: null }]]) {
      expect(read(other)).toMatchObject([{ kind: "unknown" }]);
    }
  });

  it("with operators of more than two operands, as later versions write them", () => {
    const mark = nft.meta("mark");
    const value = { "|": [{ meta: { key: "mark" } }, 1, 2] };
    expect(onlyRule({ mangle: { key: { meta: { key: "mark" } }, value } })).toEqual([
      {
        kind: "mangle",
        key: mark,
        value: {
          kind: "|",
          left: { kind: "|", left: mark, right: nft.value(1) },
          right: nft.value(2),
        },
      },
    ]);
  });
});

describe("a table is read", () => {
  it.each([["jj"], [["unknown", "owner"]], ["owner"]])("as awake with the flags %j", (flags) => {
    expect(readTables({ nftables: [table(flags)] })).toEqual([
      { family: "inet", name: "t", sets: [], chains: [] },
    ]);
  });

  it("as dormant where nft says so", () => {
    expect(readTables({ nftables: [table(["dormant"])] })[0]?.dormant).toBe(true);
  });

  it("only from what nft prints: anything else throws", () => {
    expect(() => readTables({})).toThrow(UnexpectedJson);
    expect(() => readTables(listing(set({ type: 5 })))).toThrow(UnexpectedJson);
    expect(() => readTables(listing(rule({ limit: { rate: "ten" } }), chain))).toThrow(
      UnexpectedJson,
    );
  });
});

it("elements of likely tables come out as they are, but for those that differ in the least", () => {
  const concat = (...parts: unknown[]) => ({ concat: parts });
  const elem = [
    [{ elem: { val: concat("10.0.0.1", 80), counter: { packets: 7, bytes: 9 } } }, { drop: null }],
    [concat("10.0.0.2", 80), { jump: { target: "c" } }],
    [concat("10.0.0.3", 80), { drop: null }],
    [{ elem: { val: concat("10.0.0.4", 80), comment: "mine" } }, { drop: null }],
    [concat("10.0.0.5", 80), { jump: { target: "other" } }],
    [concat("10.0.0.6", "80"), { drop: null }],
  ];
  const type = ["ipv4_addr", "inet_service"];
  const json = listing(map({ type, map: "verdict", elem }));
  const element = (number: number, data: Verdict = nft.drop) => ({
    key: nft.concat(nft.value(`10.0.0.${number}`), nft.value(80)),
    data,
  });
  const elements = [
    element(1),
    element(2, { kind: "jump", chain: "c" }),
    element(3, nft.accept),
    element(4),
    element(5, { kind: "goto", chain: "other" }),
    element(7),
  ];
  const likely = readTables(listing(map({ type, map: "verdict" }))).map((each) => ({
    ...each,
    sets: each.sets.map((each) => ({ ...each, elements })),
  }));
  const found = readTables(json, likely)[0]?.sets[0]?.elements ?? [];
  const read = readTables(json)[0]?.sets[0]?.elements ?? [];
  expect(elements.map((each) => found.includes(each))).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  expect(found).toEqual(read);
});

it("elements of likely tables come out as they are where nft lists protocols as numbers", () => {
  const type = ["inet_proto", "inet_service"];
  const key = nft.concat(nft.value("tcp"), nft.value(80));
  const likely = readTables(listing(set({ type }))).map((each) => ({
    ...each,
    sets: each.sets.map((each) => ({ ...each, elements: [{ key }] })),
  }));
  const [found] =
    readTables(listing(set({ type, elem: [{ concat: [6, 80] }] })), likely)[0]?.sets ?? [];
  expect(found?.elements[0]?.key).toBe(key);
});

it("element counts are read under the key as nft prints it", () => {
  const val = { concat: ["198.51.100.1", "tcp", { range: [80, 90] }] };
  const elem = [
    [{ elem: { val, counter: { packets: 7, bytes: 700 } } }, { drop: null }],
    [{ concat: ["198.51.100.2", "tcp", 80] }, { drop: null }],
  ];
  const type = ["ipv4_addr", "inet_proto", "inet_service"];
  expect(readElementCounts(listing(map({ type, map: "verdict", elem })))).toEqual([
    { table: "t", set: "s", key: "198.51.100.1 . tcp . 80-90", packets: 7 },
  ]);
});
