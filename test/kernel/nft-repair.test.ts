import { describe, expect, it } from "vitest";
import type { Table } from "../../src/nft/ast.ts";
import * as nft from "../../src/nft/build.ts";
import { describeDiff } from "../../src/nft/describe-diff.ts";
import { diffTables } from "../../src/nft/diff.ts";
import { printRuleset } from "../../src/nft/print.ts";
import { readElementCounts, readTables } from "../../src/nft/read.ts";
import { loadInTurn } from "./nft-host.ts";

const admit = (port: number, chain: string) => ({
  key: nft.concat(nft.value("198.51.100.1"), nft.value("tcp"), nft.value(port)),
  data: nft.goto(chain),
});

const desired: readonly Table[] = [
  {
    family: "inet",
    name: "virtwall",
    sets: [
      {
        name: "bridges",
        type: ["ifname"],
        flags: [],
        counter: false,
        elements: [{ key: nft.value("virbr20") }],
      },
      {
        name: "admin4",
        type: ["ipv4_addr"],
        flags: ["interval"],
        counter: false,
        elements: [{ key: nft.prefix("10.0.0.0", 8) }],
      },
      {
        name: "admit4",
        type: ["ipv4_addr", "inet_proto", "inet_service"],
        data: ["verdict"],
        flags: [],
        counter: true,
        elements: [admit(80, "published"), admit(443, "published")],
      },
    ],
    chains: [
      { name: "published", rules: [nft.rule(nft.accept)] },
      {
        name: "filter-forward",
        base: { type: "filter", hook: "forward", priority: -5, policy: "accept" },
        rules: [
          nft.rule(nft.notEqual(nft.iifname, nft.reference("bridges")), nft.accept),
          nft.rule(nft.equal(nft.payload("ip", "saddr"), nft.reference("admin4")), nft.accept),
        ],
      },
    ],
  },
];

const damages: Readonly<Record<string, string>> = {
  "an element gone": 'delete element inet virtwall bridges { "virbr20" }',
  "an element too many": 'add element inet virtwall bridges { "eth9" }',
  "an element with a comment": 'add element inet virtwall bridges { "eth9" comment "mine" }',
  "an overlapping interval":
    "delete element inet virtwall admin4 { 10.0.0.0/8 }\nadd element inet virtwall admin4 { 10.1.0.0/16 }",
  "a changed verdict": `add chain inet virtwall other
    delete element inet virtwall admit4 { 198.51.100.1 . tcp . 80 }
    add element inet virtwall admit4 { 198.51.100.1 . tcp . 80 : goto other }`,
  "a rule of a kind that we never write":
    "insert rule inet virtwall filter-forward tcp option maxseg size set rt mtu",
  "a rule that reads packet bytes": "insert rule inet virtwall filter-forward @th,0,16 53 drop",
  "a chain of somebody else, used by our map": `add chain inet virtwall zz
    add rule inet virtwall zz jump published
    add element inet virtwall admit4 { 192.0.2.1 . udp . 53 : jump zz }`,
  "a set of somebody else, used in our chain": `add set inet virtwall zz { type ipv4_addr; flags timeout; timeout 1h; comment "mine"; }
    insert rule inet virtwall published add @zz { ip saddr } ip saddr @zz drop`,
  "a base chain of somebody else":
    "add chain inet virtwall zz { type filter hook input priority 3; policy drop; }",
  "a chain of a name longer than ours": `add chain inet virtwall ${"z".repeat(120)}`,
  "another policy": "add chain inet virtwall filter-forward { policy drop; }",
  "a base chain at another priority": `delete chain inet virtwall filter-forward
    add chain inet virtwall filter-forward { type filter hook forward priority 7; }`,
  "a set of another type": `flush chain inet virtwall filter-forward
    delete set inet virtwall admin4
    add set inet virtwall admin4 { type ipv4_addr; size 10; }
    add rule inet virtwall filter-forward ip saddr @admin4 drop`,
  "all rules flushed": "flush table inet virtwall",
  "the table deleted": "delete table inet virtwall",
};

describe("a table that another hand changed is put right by the diff", () => {
  it.each(Object.entries(damages))("%s", (_title, damage) => {
    const [, damaged] = loadInTurn(printRuleset(desired), damage);
    const actual = readTables(damaged?.json);
    const repair = diffTables(actual, desired);
    expect(diffTables(readTables(damaged?.json, desired), desired)).toBe(repair);
    expect(describeDiff(actual, desired)).not.toEqual([]);
    const [, , repaired] = loadInTurn(printRuleset(desired), damage, repair);
    expect(diffTables(readTables(repaired?.json), desired), repair).toBe("");
  });
});

describe("counts", () => {
  const counted = printRuleset(desired).replace(
    "198.51.100.1 . tcp . 80 :",
    "198.51.100.1 . tcp . 80 counter packets 7 bytes 700 :",
  );

  it("of an element that the diff does not touch are kept, and read under the key as nft prints it", () => {
    const more = desired.map((table) => ({
      ...table,
      sets: table.sets.map((set) =>
        set.name === "admit4"
          ? { ...set, elements: [...set.elements, admit(22, "published")] }
          : set,
      ),
    }));
    const [, after] = loadInTurn(counted, diffTables(desired, more));
    expect(readElementCounts(after?.json)).toContainEqual({
      table: "virtwall",
      set: "admit4",
      key: "198.51.100.1 . tcp . 80",
      packets: 7,
    });
  });

  it("are no difference", () => {
    const [listing] = loadInTurn(counted);
    expect(diffTables(readTables(listing?.json), desired)).toBe("");
  });
});
