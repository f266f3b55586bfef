import { expect, it } from "vitest";
import { readTables } from "../nft/read.ts";
import { isTracking } from "./tracking.ts";

const table = { family: "inet", table: "t" };
const chain = { ...table, name: "c" };
const dnat = { dnat: { family: "ip", addr: "10.0.0.2" } };
const chance = { match: { op: "==", left: { numgen: { mode: "random", mod: 2 } }, right: 1 } };

// As Linux 6.18 does: `conntrack -L -f ipv6` lists nothing where one of the first is loaded and IPv6 passes.
it.each([
  { what: "chance", statement: chance, families: [4] },
  { what: "a queue", statement: { queue: { num: 1 } }, families: [4] },
  { what: "a state", statement: stateIs("new"), families: [4, 6] },
  { what: "a number of flows", statement: { "ct count": { val: 3 } }, families: [4, 6] },
  {
    what: "a match of iptables'",
    statement: { xt: { type: "match", name: "x" } },
    families: [4, 6],
  },
])(
  "beside a translation of IPv4 $what has the kernel track $families",
  ({ statement, families }) => {
    const rule = { ...table, chain: "c", expr: [statement, dnat] };
    const nftables = [{ table: { family: "inet", name: "t" } }, { chain }, { rule }];
    const tables = readTables({ nftables });
    expect(([4, 6] as const).filter((family) => isTracking(tables, family))).toEqual(families);
  },
);

function stateIs(state: string): object {
  return { match: { op: "in", left: { ct: { key: "state" } }, right: state } };
}
