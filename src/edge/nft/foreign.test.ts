import { describe, expect, it } from "vitest";
import { foreignTables, readForeignTable } from "./foreign.ts";
import type { ListedObject } from "./list.ts";

const base = {
  family: "inet",
  table: "t",
  type: "filter",
  hook: "forward",
  prio: 0,
  policy: "drop",
};

function chain(name: string, more: object = {}): ListedObject {
  return { chain: { family: "inet", table: "t", name, handle: 1, ...more } };
}

function rule(name: string, ...expr: readonly unknown[]): ListedObject {
  return { rule: { family: "inet", table: "t", chain: name, handle: 9, expr } };
}

/** Whether a rule of these statements may drop, in a table where the chain `bad` drops and `good` does not. */
function mayDrop(...statements: readonly unknown[]): boolean | undefined {
  const listing = {
    nftables: [
      chain("forward", base),
      rule("forward", ...statements),
      chain("good"),
      rule("good", { counter: null }, { accept: null }),
      chain("bad"),
      rule("bad", { jump: { target: "worse" } }),
      chain("worse"),
      rule("worse", { jump: { target: "bad" } }),
      rule("worse", { drop: null }),
    ],
  };
  return readForeignTable({ family: "inet", name: "t" }, listing).chains[0]?.rules[0]?.mayDrop;
}

const match = { match: { op: "==", left: { meta: { key: "iifname" } }, right: "eth0" } };

describe("a foreign rule", () => {
  it.each([
    ["drop", [match, { drop: null }]],
    ["reject", [{ reject: { type: "icmp", expr: "port-unreachable" } }]],
    ["queue", [{ queue: { num: 0 } }]],
    ["an iptables target", [{ xt: { type: "target", name: "REJECT" } }]],
    ["an iptables match, after which nobody knows", [{ xt: null }, { accept: null }]],
    ["a statement of the future", [{ vanish: {} }]],
    ["a jump to a chain that jumps to a drop", [match, { jump: { target: "bad" } }]],
    ["a goto", [{ goto: { target: "worse" } }]],
    [
      "a verdict map with a drop",
      [
        {
          vmap: {
            key: 1,
            data: {
              set: [
                ["a", { accept: null }],
                ["b", { drop: null }],
              ],
            },
          },
        },
      ],
    ],
    [
      "a verdict map with a jump to a drop",
      [{ vmap: { key: 1, data: { set: [["a", { jump: { target: "bad" } }]] } } }],
    ],
    ["a named verdict map, whose elements are not listed", [{ vmap: { key: 1, data: "@m" } }]],
  ])("may drop: %s", (_, statements) => {
    expect(mayDrop(...statements)).toBe(true);
  });

  it.each([
    ["accept", [match, { counter: { packets: 0, bytes: 0 } }, { accept: null }]],
    ["log and return", [{ log: { prefix: "x" } }, { return: null }]],
    [
      "nat and marks",
      [{ mangle: { key: { meta: { key: "mark" } }, value: 1 } }, { masquerade: null }],
    ],
    ["a bare word", ["notrack"]],
    ["a jump to a chain that accepts", [{ jump: { target: "good" } }]],
    [
      "a verdict map without a drop",
      [{ vmap: { key: 1, data: { set: [["a", { jump: { target: "good" } }]] } } }],
    ],
    ["nothing", []],
  ])("does not drop: %s", (_, statements) => {
    expect(mayDrop(...statements)).toBe(false);
  });
});

describe("a pass rule", () => {
  const mark = (bits: number, right: unknown, op = "==") => ({
    match: { op, left: { "&": [{ meta: { key: "mark" } }, bits] }, right },
  });
  const passes = (...statements: readonly unknown[]) =>
    readForeignTable(
      { family: "inet", name: "t" },
      { nftables: [chain("forward", base), rule("forward", ...statements)] },
    ).chains[0]?.rules[0]?.passes;

  it("is seen with and without a counter", () => {
    expect(passes(mark(16, 16), { accept: null })).toBe(16);
    expect(passes(mark(16, 16), { counter: { packets: 1, bytes: 2 } }, { accept: null })).toBe(16);
  });

  it.each([
    ["other bits", [mark(16, 32), { accept: null }]],
    ["not equal", [mark(16, 16, "!="), { accept: null }]],
    ["narrower", [mark(16, 16), match, { accept: null }]],
    ["no accept", [mark(16, 16), { drop: null }]],
    [
      "another key",
      [
        { match: { op: "==", left: { "&": [{ ct: { key: "mark" } }, 16] }, right: 16 } },
        { accept: null },
      ],
    ],
  ])("is nothing else: %s", (_, statements) => {
    expect(passes(...statements)).toBeUndefined();
  });
});

describe("foreign tables", () => {
  it("are those with a base chain of type filter, ours excepted, each once", () => {
    const listing = {
      nftables: [
        { metainfo: { version: "1.0.6" } },
        chain("a", base),
        chain("b", { ...base, hook: "input" }),
        chain("c", { ...base, family: "ip", table: "nat", type: "nat" }),
        chain("d", { family: "ip", table: "plain" }),
        chain("e", { ...base, table: "virtwall" }),
        chain("f", { ...base, family: "bridge", table: "virtwall" }),
        chain("g", { ...base, family: "ip", table: "virtwall" }),
      ],
    };
    expect(foreignTables(listing)).toEqual([
      { family: "inet", name: "t" },
      { family: "ip", name: "virtwall" },
    ]);
  });

  it("keep their base chains with hook, priority, policy and the rules in order", () => {
    const listing = {
      nftables: [
        chain("forward", { ...base, prio: -10 }),
        chain("other"),
        { rule: { chain: "forward", handle: 3, comment: "first", expr: [{ accept: null }] } },
        { rule: { chain: "other", handle: 4, expr: [] } },
        { rule: { chain: "forward", handle: 2, expr: [{ drop: null }] } },
      ],
    };
    expect(readForeignTable({ family: "inet", name: "t" }, listing)).toEqual({
      family: "inet",
      name: "t",
      chains: [
        {
          name: "forward",
          hook: "forward",
          priority: -10,
          policy: "drop",
          rules: [
            { handle: 3, comment: "first", mayDrop: false },
            { handle: 2, mayDrop: true },
          ],
        },
      ],
    });
  });
});
