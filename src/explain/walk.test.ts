import { expect, it } from "vitest";
import type { Chain, Rule, Statement, Table } from "../nft/ast.ts";
import * as nft from "../nft/build.ts";
import { plainHost } from "./host.fake.ts";
import { openLayer, writeBits } from "./layer.ts";
import type { Packet } from "./packet.ts";
import { walkReceived } from "./walk.ts";

/** A packet of IPv4 to 10.0.2.2, of which the source port is not known. */
function packetTo(port: number): Packet {
  const destination = writeBits(openLayer(20), { offset: 128, length: 32 }, 0x0a000202n);
  const original = { source: 1n, destination: 0x0a000202n };
  return {
    etherType: 0x0800,
    network: destination,
    transport: writeBits(openLayer(20), { offset: 16, length: 16 }, BigInt(port)),
    protocol: 6,
    length: "unknown",
    type: "host",
    mark: 0n,
    hasSocket: false,
    tracking: "ahead",
    flow: {
      state: "new",
      direction: "original",
      original,
      reply: { source: original.destination, destination: original.source },
      isSourceRewritten: false,
      isDestinationRewritten: false,
      isSourceSettled: false,
      isDestinationSettled: false,
      mark: 0n,
    },
  };
}

const opaque: Statement = { kind: "unknown", json: '{"xt":{"type":"match","name":"physdev"}}' };

function forward(priority: number, ...rules: readonly Rule[]): Chain {
  const base = { type: "filter", hook: "forward", priority, policy: "accept" } as const;
  return { name: `forward${priority}`, base, rules };
}

function fates(...chains: readonly Chain[]): string[] {
  const table: Table = { family: "inet", name: "t", sets: [], chains };
  return walkReceived({ tables: [table], host: plainHost }, packetTo(80), "in").map(
    ({ fate }) => fate.kind,
  );
}

const port = (number: number) => nft.equal(nft.payload("tcp", "dport"), nft.value(number));
const sourcePort = nft.equal(nft.payload("tcp", "sport"), nft.value(5));

it("goes every way that a match it does not understand may mean", () => {
  expect(fates(forward(0, nft.rule(opaque, nft.drop))).toSorted()).toEqual(["dropped", "sent"]);
});

it("goes every way that a field nobody told may mean", () => {
  expect(fates(forward(0, nft.rule(sourcePort, nft.drop))).toSorted()).toEqual(["dropped", "sent"]);
});

it.each([
  ["comes after the verdict", [nft.rule(port(80), nft.drop), nft.rule(opaque, nft.accept)]],
  ["leads to the same verdict", [nft.rule(opaque, nft.drop), nft.rule(nft.drop)]],
])("is certain where what it does not understand %s", (_title, rules) => {
  expect(fates(forward(0, ...rules))).toEqual(["dropped"]);
});

it("is certain where what it does not understand is asked of other packets alone", () => {
  expect(fates(forward(0, nft.rule(port(22), opaque, nft.drop)))).toEqual(["sent"]);
});

it("lets no chain take a drop back", () => {
  const first = forward(-5, nft.rule(nft.drop));
  expect(fates(forward(0, nft.rule(nft.accept)), first)).toEqual(["dropped"]);
});

it("follows the marks that rules set on the way", () => {
  const mark = nft.meta("mark");
  const set: Statement = { kind: "mangle", key: mark, value: nft.value(7) };
  const marked = nft.rule(nft.equal(mark, nft.value(7)), nft.drop);
  expect(fates(forward(-5, nft.rule(set)), forward(0, marked))).toEqual(["dropped"]);
});

it("stays quick where many rules are doubtful", () => {
  const rules = Array.from({ length: 200 }, () => nft.rule(opaque, nft.accept));
  expect(fates(forward(0, ...rules, nft.rule(nft.drop))).toSorted()).toEqual(["dropped", "sent"]);
});

const byChance = (tag: string): Statement => ({
  kind: "vmap",
  key: { kind: "unknown", json: JSON.stringify({ [tag]: { mode: "inc", mod: 2, offset: 0 } }) },
  data: {
    kind: "elements",
    elements: [0, 1].map((value) => ({ key: nft.value(value), data: nft.accept })),
  },
});

it.each(["numgen", "jhash", "symhash"])(
  "follows each way that %s may lead, and no other",
  (tag) => {
    expect(fates(forward(0, nft.rule(byChance(tag)), nft.rule(nft.drop)))).toEqual(["sent"]);
  },
);
