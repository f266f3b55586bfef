import { expect, it } from "vitest";
import { toBits } from "../base/address.ts";
import type { Statement, Table } from "../nft/ast.ts";
import * as nft from "../nft/build.ts";
import { plainHost } from "./host.fake.ts";
import { firstPacket, withLink } from "./make-packet.ts";
import { walkReceived } from "./walk.ts";

/* What the kernel of the differential test has not: connections and names of bridges in rules of a bridge (modules of Linux 5.3). */

const host = { ...plainHost, bridgeOf: () => "br0", portTo: () => "vnet1" };

const link = { to: 1n, from: 2n };

function fates(state: "new" | "established", ...statements: readonly Statement[]): string[] {
  const base = { type: "filter", hook: "forward", priority: 0, policy: "accept" } as const;
  const chain = { name: "forward", base, rules: [nft.rule(...statements, nft.drop)] };
  const table: Table = { family: "bridge", name: "t", sets: [], chains: [chain] };
  const first = { protocol: "tcp", family: 4, to: toBits("10.0.0.3"), port: 80, state } as const;
  const packet = withLink(firstPacket(first, toBits("10.0.0.2")), link);
  return walkReceived({ tables: [table], host }, packet, "vnet0").map(({ fate }) => fate.kind);
}

it("tracks connections on a bridge where a rule of a bridge asks for them", () => {
  const isNew = nft.has(nft.ct("state"), nft.flags("new"));
  expect(fates("new", isNew)).toEqual(["dropped"]);
  expect(fates("established", isNew)).toEqual(["sent"]);
});

it("knows that a packet which it is asked about bears no tag of a VLAN", () => {
  expect(fates("new", nft.equal(nft.payload("vlan", "id"), nft.value(0)))).toEqual(["sent"]);
});

it.each(["ibrname", "obrname"])("knows the bridge of a port by %s", (key) => {
  expect(fates("new", nft.equal(nft.meta(key), nft.value("br0")))).toEqual(["dropped"]);
  expect(fates("new", nft.equal(nft.meta(key), nft.value("br1")))).toEqual(["sent"]);
});
