import { describe, expect, it } from "vitest";
import type { Expression, Statement } from "./ast.ts";
import * as nft from "./build.ts";
import { normalise } from "./normalise.ts";

function normal(...statements: readonly Statement[]): readonly Statement[] | undefined {
  const chain = { name: "judge", rules: [{ statements }] };
  return normalise({ family: "inet", name: "t", sets: [], chains: [chain] }).chains[0]?.rules[0]
    ?.statements;
}

const source = nft.payload("ip", "saddr");
const etherIp = nft.equal(nft.payload("ether", "type"), nft.value("ip"));
const fromA = nft.equal(source, nft.value("192.0.2.1"));

describe("constants in normal form", () => {
  it("are numbers where nft's JSON has numbers, but interface names stay text", () => {
    expect(normal(nft.equal(nft.payload("tcp", "dport"), nft.value("80")))).toEqual([
      nft.equal(nft.payload("tcp", "dport"), nft.value(80)),
    ]);
    const named = nft.equal(nft.iifname, nft.value("10"));
    expect(normal(named)).toEqual([named]);
  });

  it("are canonical addresses", () => {
    expect(normal(nft.equal(nft.payload("ip6", "saddr"), nft.value("2001:DB8:0::1")))).toEqual([
      nft.equal(nft.payload("ip6", "saddr"), nft.value("2001:db8::1")),
    ]);
  });

  it("of a bit mask stand in the kernel's order", () => {
    expect(normal(nft.has(nft.ct("state"), nft.flags("untracked", "related", "new")))).toEqual([
      nft.has(nft.ct("state"), nft.flags("new", "related", "untracked")),
    ]);
  });
});

describe("an anonymous set in normal form", () => {
  const set = (...keys: readonly Expression[]) => nft.equal(source, nft.anonymousSet(...keys));

  it("is in order of value, neighbours joined where one is an interval", () => {
    const keys = [
      nft.range("10.0.0.128", "10.0.0.255"),
      nft.value("9.0.0.1"),
      nft.prefix("10.0.0.0", 25),
    ];
    expect(normal(set(...keys))).toEqual([set(nft.value("9.0.0.1"), nft.prefix("10.0.0.0", 24))]);
  });

  it("keeps neighbours apart where all are single values", () => {
    const both = set(nft.value("9.0.0.1"), nft.value("9.0.0.2"));
    expect(normal(both)).toEqual([both]);
  });

  it("of one element has no braces", () => {
    expect(normal(set(nft.value("9.0.0.1")))).toEqual([nft.equal(source, nft.value("9.0.0.1"))]);
  });
});

describe("a match that nft adds by itself is gone in normal form", () => {
  it("whatever other match stands between", () => {
    const other = nft.equal(nft.iifname, nft.value("vnet1"));
    expect(normal(etherIp, other, fromA)).toEqual([other, fromA]);
  });

  it("but not where what stands between would then happen to more packets", () => {
    const log: Statement = { kind: "log", prefix: "x" };
    expect(normal(etherIp, log, fromA)).toEqual([etherIp, log, fromA]);
  });

  it("nor where no later statement needs it", () => {
    const dhcp = nft.equal(nft.payload("udp", "sport"), nft.value(68));
    expect(normal(etherIp, dhcp)).toEqual([etherIp, dhcp]);
  });
});

describe("a reject in normal form", () => {
  it("names the protocol that the rule has settled", () => {
    expect(normal(fromA, { kind: "reject" })).toEqual([
      fromA,
      { kind: "reject", type: "icmp", code: "port-unreachable" },
    ]);
  });

  it("is bare where none is settled", () => {
    expect(normal({ kind: "reject", type: "icmpx", code: "port-unreachable" })).toEqual([
      { kind: "reject" },
    ]);
  });
});

it("keeps a match on ICMP ahead of a reject in its words, as nft lists it", () => {
  const icmp = nft.equal(nft.l4proto, nft.value("icmp"));
  const reject: Statement = { kind: "reject", type: "icmp", code: "admin-prohibited" };
  expect(normal(icmp, reject)).toEqual([icmp, reject]);
});
