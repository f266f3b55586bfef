import { describe, expect, it } from "vitest";
import type { Chain, SetDefinition, Table } from "./ast.ts";
import * as nft from "./build.ts";
import { describeDiff } from "./describe-diff.ts";
import { diffTables } from "./diff.ts";

const set = (name: string, ...names: readonly string[]): SetDefinition => ({
  name,
  type: ["ifname"],
  flags: [],
  counter: false,
  elements: names.map((key) => ({ key: nft.value(key) })),
});

const table = (sets: readonly SetDefinition[], chains: readonly Chain[] = []): Table => ({
  family: "inet",
  name: "virtwall",
  sets,
  chains,
});

const dropFrom = (name: string): Chain => ({
  name: "judge",
  rules: [nft.rule(nft.equal(nft.iifname, nft.reference(name)), nft.drop)],
});

const lines = (before: Table, after: Table) =>
  diffTables([before], [after]).split("\n").slice(0, -1);

describe("the diff of two tables", () => {
  it("makes a set anew whose integers have another length, where that is known", () => {
    const like = (length: number) => ({
      ...set("a_"),
      type: ["ifname", "integer"],
      keyLike: nft.concat(nft.iifname, nft.raw("nh", 64, length)),
    });
    const { keyLike: _unlisted, ...listed } = like(48);
    expect(lines(table([like(48)]), table([like(48)]))).toEqual([]);
    expect(lines(table([listed]), table([like(32)]))).toEqual([]);
    expect(lines(table([like(48)]), table([like(32)]))).toEqual([
      "delete set inet virtwall a_",
      "add set inet virtwall a_ { typeof iifname . @nh,64,32; }",
    ]);
  });

  it("is empty where only the order of sets, chains and elements differs", () => {
    const before = table([set("a_", "eth0", "eth1"), set("b_")], [dropFrom("a_")]);
    const after = table([set("b_"), set("a_", "eth1", "eth0")], [dropFrom("a_")]);
    expect(diffTables([before], [after])).toBe("");
    expect(describeDiff([before], [after])).toEqual([]);
  });

  it("touches only the elements that differ, those that go first", () => {
    expect(lines(table([set("a_", "eth0", "eth1")]), table([set("a_", "eth1", "eth2")]))).toEqual([
      'delete element inet virtwall a_ { "eth0" }',
      'add element inet virtwall a_ { "eth2" }',
    ]);
  });

  it("takes out and puts back an element whose data changed", () => {
    const map = (chain: string) =>
      table([
        {
          ...set("a_"),
          data: ["verdict"],
          elements: [{ key: nft.value("eth0"), data: nft.goto(chain) }],
        },
      ]);
    expect(lines(map("x_"), map("y_"))).toEqual([
      'delete element inet virtwall a_ { "eth0" }',
      'add element inet virtwall a_ { "eth0" : goto y_ }',
    ]);
  });

  it("empties the chains that use a set before it makes that set anew", () => {
    const counting = { ...set("a_", "eth0"), counter: true };
    expect(
      lines(table([set("a_", "eth0")], [dropFrom("a_")]), table([counting], [dropFrom("a_")])),
    ).toEqual([
      "flush chain inet virtwall judge",
      "delete set inet virtwall a_",
      "add set inet virtwall a_ { type ifname; counter; }",
      'add element inet virtwall a_ { "eth0" }',
      "add rule inet virtwall judge iifname @a_ drop",
    ]);
  });

  it("changes a policy without touching the rules", () => {
    const forward = (policy: "accept" | "drop"): Chain => ({
      name: "forward_",
      base: { type: "filter", hook: "forward", priority: 0, policy },
      rules: [nft.rule(nft.accept)],
    });
    expect(lines(table([], [forward("accept")]), table([], [forward("drop")]))).toEqual([
      "add chain inet virtwall forward_ { type filter hook forward priority filter; policy drop; }",
    ]);
  });

  it("fills an interval set of interface names anew, which nft 1.0.6 cannot change", () => {
    const names = (...keys: readonly string[]) =>
      table([{ ...set("a_", ...keys), flags: ["interval"] }]);
    expect(lines(names("vnet*"), names("vnet*", "tap*"))).toEqual([
      "flush set inet virtwall a_",
      'add element inet virtwall a_ { "tap*", "vnet*" }',
    ]);
  });

  it("replaces a set that has a property we do not know", () => {
    const before = { ...set("a_"), unknown: '{"size":5}' };
    expect(lines(table([before]), table([set("a_")]))).toEqual([
      "delete set inet virtwall a_",
      "add set inet virtwall a_ { type ifname; }",
    ]);
  });

  it("wakes a sleeping table", () => {
    expect(lines({ ...table([]), dormant: true }, table([]))).toEqual(["add table inet virtwall"]);
  });

  it("makes a missing table whole and deletes one too many", () => {
    const other = { ...table([]), family: "bridge" as const };
    expect(diffTables([other], [table([])])).toBe(
      "delete table bridge virtwall\ntable inet virtwall {\n}\n",
    );
  });
});

describe("the description of a diff", () => {
  it("has a line for each thing that differs", () => {
    const before = table([set("a_", "eth0"), set("b_")], [dropFrom("a_")]);
    const after = table(
      [set("a_", "eth1"), set("c_")],
      [
        { name: "judge", rules: [] },
        { name: "pass_", rules: [] },
      ],
    );
    expect(describeDiff([before], [after])).toEqual([
      '- element inet virtwall a_ { "eth0" }',
      '+ element inet virtwall a_ { "eth1" }',
      "- set inet virtwall b_",
      "+ set inet virtwall c_",
      "~ chain inet virtwall judge (rules)",
      "+ chain inet virtwall pass_",
    ]);
  });

  it("has one line for a whole table", () => {
    expect(describeDiff([], [table([])])).toEqual(["+ table inet virtwall"]);
    expect(describeDiff([table([])], [])).toEqual(["- table inet virtwall"]);
  });
});
