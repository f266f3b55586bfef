import { describe, expect, it } from "vitest";
import type { BaseChain, Statement, Table } from "./ast.ts";
import * as nft from "./build.ts";
import { printTable } from "./print.ts";
import { printPriority } from "./priority.ts";
import { UnprintableText } from "./text.ts";

const tableOf = (...statements: readonly Statement[]): Table => ({
  family: "inet",
  name: "virtwall",
  sets: [],
  chains: [{ name: "judge", rules: [{ statements }] }],
});

/** The one rule of the table, as it is listed. */
const listed = (...statements: readonly Statement[]): string | undefined =>
  printTable(tableOf(...statements))
    .split("\n")[2]
    ?.trim();

describe("a table is printed as nft 1.0.6 lists it", () => {
  const table: Table = {
    family: "inet",
    name: "virtwall",
    sets: [
      {
        name: "admin4",
        type: ["ipv4_addr"],
        flags: ["interval"],
        counter: false,
        elements: [
          { key: nft.value("192.0.2.1") },
          { key: nft.range("10.0.0.0", "10.255.255.255") },
          { key: nft.value("11.0.0.1") },
        ],
      },
      {
        name: "admit4",
        type: ["ipv4_addr", "inet_proto", "inet_service"],
        data: ["verdict"],
        flags: ["interval"],
        counter: true,
        elements: [
          {
            key: nft.concat(nft.value("198.51.100.1"), nft.value("udp"), nft.range(5000, 5010)),
            data: nft.goto("judge"),
          },
          {
            key: nft.concat(nft.value("198.51.100.1"), nft.value("tcp"), nft.value(80)),
            data: nft.drop,
          },
        ],
      },
      { name: "reach", type: ["ifname", "ifname"], flags: [], counter: false, elements: [] },
    ],
    chains: [
      {
        name: "filter-forward",
        base: { type: "filter", hook: "forward", priority: -5, policy: "accept" },
        rules: [
          nft.rule(nft.has(nft.ct("state"), nft.flags("related", "established")), nft.accept),
          {
            ...nft.rule(nft.equal(nft.iifname, nft.value("vnet*")), nft.drop),
            comment: "web.yaml:12",
          },
        ],
      },
      { name: "judge", rules: [] },
    ],
  };

  it("with tabs, wrapped elements and a blank line between objects", () => {
    expect(printTable(table)).toBe(
      `table inet virtwall {
	set admin4 {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8, 11.0.0.1,
			     192.0.2.1 }
	}

	map admit4 {
		type ipv4_addr . inet_proto . inet_service : verdict
		flags interval
		counter
		elements = { 198.51.100.1 . tcp . 80 : drop,
			     198.51.100.1 . udp . 5000-5010 : goto judge }
	}

	set reach {
		type ifname . ifname
	}

	chain filter-forward {
		type filter hook forward priority filter - 5; policy accept;
		ct state established,related accept
		iifname "vnet*" drop comment "web.yaml:12"
	}

	chain judge {
	}
}
`,
    );
  });
});

describe("a statement is printed", () => {
  const mark = nft.meta("mark");
  const bit = nft.value(0x10000000);
  const tcpFlags = nft.payload("tcp", "flags");

  it.each<[string, readonly Statement[]]>([
    [
      "meta mark set meta mark | 0x10000000",
      [{ kind: "mangle", key: mark, value: { kind: "|", left: mark, right: bit } }],
    ],
    [
      "meta mark & 0x10000000 == 0x10000000 accept",
      [nft.equal({ kind: "&", left: mark, right: bit }, bit), nft.accept],
    ],
    [
      "fib saddr type local accept",
      [
        nft.equal({ kind: "fib", result: "type", flags: ["saddr"] }, nft.value("local")),
        nft.accept,
      ],
    ],
    [
      "ct state == established drop",
      [nft.equal(nft.ct("state"), nft.value("established")), nft.drop],
    ],
    [
      "tcp flags != syn / fin,syn drop",
      [
        nft.notEqual(
          { kind: "&", left: tcpFlags, right: nft.flags("syn", "fin") },
          nft.value("syn"),
        ),
        nft.drop,
      ],
    ],
    ["limit rate 10/minute", [{ kind: "limit", rate: 10, per: "minute", burst: 5 }]],
    [
      "limit rate over 10/second burst 20 packets",
      [{ kind: "limit", rate: 10, per: "second", burst: 20, over: true }],
    ],
    ['log prefix "virtwall web " group 2', [{ kind: "log", prefix: "virtwall web ", group: 2 }]],
    ["masquerade to :1024-65535", [{ kind: "masquerade", port: nft.range(1024, 65535) }]],
    [
      "dnat ip6 to [fd00::7]:80",
      [{ kind: "dnat", family: "ip6", address: nft.value("fd00::7"), port: nft.value(80) }],
    ],
    [
      "snat ip6 to [fd00::7]-[fd00::9]:1-2",
      [
        {
          kind: "snat",
          family: "ip6",
          address: nft.range("fd00::7", "fd00::9"),
          port: nft.range(1, 2),
        },
      ],
    ],
    ["reject", [{ kind: "reject", type: "icmpx", code: "port-unreachable" }]],
    [
      "add @seen { ip saddr }",
      [{ kind: "set", op: "add", set: "seen", key: nft.payload("ip", "saddr") }],
    ],
    [
      "update @seen { ip saddr timeout 8d1h5s }",
      [
        {
          kind: "set",
          op: "update",
          set: "seen",
          key: nft.payload("ip", "saddr"),
          timeout: 694_805,
        },
      ],
    ],
    [
      "add @seen { ip saddr ct count over 2 }",
      [{ kind: "set", op: "add", set: "seen", key: nft.payload("ip", "saddr"), over: 2 }],
    ],
  ])("%s", (text, statements) => {
    expect(listed(...statements)).toBe(text);
  });
});

describe("a priority is printed by the name near it", () => {
  it.each<[string, "inet" | "bridge", Pick<BaseChain, "hook" | "priority">]>([
    ["filter - 5", "inet", { hook: "forward", priority: -5 }],
    ["dstnat - 5", "inet", { hook: "prerouting", priority: -105 }],
    ["-105", "inet", { hook: "output", priority: -105 }],
    ["srcnat - 5", "inet", { hook: "postrouting", priority: 95 }],
    ["11", "inet", { hook: "input", priority: 11 }],
    ["dstnat", "bridge", { hook: "prerouting", priority: -300 }],
    ["filter + 5", "bridge", { hook: "forward", priority: -195 }],
    ["0", "bridge", { hook: "forward", priority: 0 }],
  ])("%s in %s %j", (text, family, base) => {
    expect(printPriority(family, base)).toBe(text);
  });
});

describe("the printer refuses, as a bug of ours,", () => {
  const unknown: Statement = { kind: "unknown", json: "{}" };

  it.each<[string, Statement]>([
    ["an interface name that ends its quotes", nft.equal(nft.iifname, nft.value('a" accept'))],
    [
      "a wildcard among others, which nft 1.0.6 lists as garbage",
      nft.equal(nft.iifname, nft.anonymousSet(nft.value("vnet*"), nft.value("a"))),
    ],
    [
      "a word for an address, which nft would look up in DNS",
      nft.equal(nft.payload("ip", "saddr"), nft.value("localhost")),
    ],
    ["an IPv6 address for an IPv4 one", nft.equal(nft.payload("ip", "saddr"), nft.value("::1"))],
    ["a chain's name with a space", nft.goto("a b")],
    ["a log prefix over 127 bytes", { kind: "log", prefix: "x".repeat(128) }],
    ["a statement that was only read", unknown],
  ])("%s", (_title, statement) => {
    expect(() => printTable(tableOf(statement))).toThrow(UnprintableText);
  });

  it("a comment over 128 bytes", () => {
    const rule = { statements: [nft.drop], comment: "x".repeat(129) };
    expect(() =>
      printTable({ family: "inet", name: "t", sets: [], chains: [{ name: "c_", rules: [rule] }] }),
    ).toThrow(UnprintableText);
  });
});
