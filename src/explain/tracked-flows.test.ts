import { expect, it } from "vitest";
import { toBits } from "../base/address.ts";
import type { Table } from "../nft/ast.ts";
import * as nft from "../nft/build.ts";
import { follow } from "./answer.ts";
import { plainHost } from "./host.fake.ts";
import type { Question } from "./question.ts";
import { flowsOf, goingOn, isLedElsewhere, parseTrackedFlows } from "./tracked-flows.ts";

const ends = "src=198.51.100.50 dst=198.51.100.1 sport=40001 dport=8050";
const answers = "src=10.0.0.7 dst=198.51.100.50 sport=80 dport=40001";
/** As Linux 6.18 prints them. */
const established = `ipv4     2 tcp      6 431999 ESTABLISHED ${ends} ${answers} [ASSURED] mark=0 zone=0 use=2`;
const over = `ipv4     2 tcp      6 118 TIME_WAIT ${ends} ${answers} [ASSURED] mark=0 zone=0 use=2`;
const six =
  "ipv6     10 udp      17 29 src=2001:0db8:0001:0000:0000:0000:0000:0050 dst=2001:0db8:0001:0000:0000:0000:0000:0001 sport=5 dport=53 [UNREPLIED] src=fd00:0050:0000:0000:0000:0000:0000:0011 dst=2001:0db8:0001:0000:0000:0000:0000:0050 sport=53 dport=5 mark=0 zone=0 use=2";

const question: Question = {
  protocol: "tcp",
  family: 4,
  from: toBits("198.51.100.50"),
  to: toBits("198.51.100.1"),
  port: 8050,
  state: "established",
};

const found = (line: string, asked = question) => flowsOf(asked, parseTrackedFlows([line]));

it("finds the flow between the ends that are asked about, in its family", () => {
  expect(found(established)).toHaveLength(1);
  expect(found(established, { ...question, port: 8051 })).toEqual([]);
  expect(found(established, { ...question, sourcePort: 40002 })).toEqual([]);
  const asked = { protocol: "udp", family: 6, from: "world", to: toBits("2001:db8:1::1") } as const;
  expect(found(six, { ...asked, port: 53 })).toMatchObject([{ isAnswered: false }]);
});

it("takes a connection that is over for none that a new one would meet", () => {
  const anew: Question = { ...question, sourcePort: 40001, state: "new" };
  expect(found(over, anew)).toEqual([]);
  expect(found(established, anew)).toHaveLength(1);
});

it("takes a connection that goes on ahead of one that is over, whichever is listed first", () => {
  const elsewhere = over.replaceAll("40001", "40003");
  const flows = flowsOf(question, parseTrackedFlows([elsewhere, established]));
  expect(flows.map(({ source }) => source.port)).toEqual([40001, 40003]);
});

const out = { name: "out", isLoopback: false, mac: 1n, addresses: [] };
const ground = {
  host: { ...plainHost, interfaces: new Map([["out", out]]) },
  tables: [leadingTo("10.0.0.9")],
};

function leadingTo(address: string): Table {
  const base = { type: "nat", hook: "prerouting", priority: -100, policy: "accept" } as const;
  const dnat = { kind: "dnat", family: "ip", address: nft.value(address) } as const;
  return {
    family: "inet",
    name: "t",
    sets: [],
    chains: [{ name: "pre", base, rules: [{ statements: [dnat] }] }],
  };
}

it("follows the flow to where it was led, and not to where the rules lead now", () => {
  const [flow] = found(established);
  if (flow === undefined) throw new Error("there is a flow");
  const now = follow(ground, { ...question, state: "new" }).answer;
  expect(now).toMatchObject({ verdict: "delivered", rewritten: { address: "10.0.0.9" } });
  expect(isLedElsewhere(flow, question, now)).toBe(true);
  expect(follow(ground, goingOn(question, flow)).answer).toMatchObject({
    verdict: "delivered",
    rewritten: { address: "10.0.0.7", port: 80 },
  });
});
