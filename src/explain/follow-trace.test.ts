import { expect, test } from "vitest";
import type { Table } from "../nft/ast.ts";
import { readTraceLine } from "../nft/read-trace.ts";
import { readTables } from "../nft/read.ts";
import { TraceFollower, type TracedPacket } from "./follow-trace.ts";

/* Lines as nft 1.0.6 prints them on Linux 6.18; fields that nobody asks for are left out. */

const marks = {
  isTrace: (table: string) => table.startsWith("trace-"),
  own: "trace-1",
  endInput: "end_input",
  endPostrouting: "end_postrouting",
};

const chain = (name: string, hook: string, type = "filter") => {
  return { chain: { family: "inet", table: "adm", name, type, hook, prio: 0, policy: "accept" } };
};
const tables: readonly Table[] = readTables({
  nftables: [
    { table: { family: "inet", name: "adm" } },
    chain("in", "prerouting"),
    chain("fw", "forward"),
    {
      rule: {
        family: "inet",
        table: "adm",
        chain: "fw",
        expr: [
          {
            match: { op: "==", left: { payload: { protocol: "udp", field: "dport" } }, right: 97 },
          },
          { counter: { packets: 0, bytes: 0 } },
          { drop: null },
        ],
      },
    },
  ],
});

/** Line by line, a millisecond each. */
function followed(text: string, until = Infinity): readonly TracedPacket[] {
  const indexOf = (_: object, handle: number) => (handle === 7 ? 0 : undefined);
  const follower = new TraceFollower({ tables, indexOf }, marks);
  for (const [index, line] of text.trim().split("\n").entries()) {
    const event = readTraceLine(line.trim());
    if (event !== undefined) follower.push(event, index);
  }
  return follower.take(until);
}

const sent =
  "ether saddr 8e:c7:3d:d9:ca:80 ether daddr 1a:77:6f:ea:26:e3 ip saddr 10.1.0.11 ip daddr 10.9.0.2 ip ttl 64 ip id 7677 ip protocol udp ip length 31 udp sport 43143 udp dport 97 udp length 11 @th,64,24 0x68690a";
const rewritten =
  "ip saddr 10.1.0.11 ip daddr 10.1.0.12 ip ttl 63 ip id 7677 ip length 31 udp sport 43143 udp dport 98 udp length 11";
const turnedOn =
  "trace-1 turn_on rule limit rate 100/second meta nftrace set 1 # handle 3 (verdict continue)";

const upFromBridge = `
  trace id f0 bridge trace-1 prerouting packet: iif "v1" ${sent}
  trace id f0 bridge ${turnedOn}
  trace id f0 bridge trace-1 prerouting policy accept
  trace id f0 bridge trace-1 end_input packet: iif "v1" ${sent}
  trace id f0 bridge trace-1 end_input policy accept
  trace id fc inet trace-1 prerouting packet: iif "br0" ${sent}
  trace id fc inet ${turnedOn}
  trace id fc inet adm in packet: iif "br0" ${sent}
  trace id fc inet adm in policy accept`;

test("a packet that the kernel gives the numbers of one that is gone is another packet", () => {
  const one = `${upFromBridge}
    trace id fc inet trace-1 end_postrouting packet: iif "br0" oif "up0" ${sent}
    trace id fc inet trace-1 end_postrouting policy accept`;
  const other = upFromBridge.replaceAll("ip id 7677", "ip id 7679");
  expect(followed(`${one}\n${other}`)).toMatchObject([
    { verdict: "delivered", detail: "out by up0" },
    { verdict: "lost", iif: "v1" },
  ]);
});

test("a packet that a bridge hands up is one packet, and is dropped by whoever drops it", () => {
  const found = followed(`${upFromBridge}
    trace id fc inet adm fw packet: iif "br0" oif "up0" ${sent.replace("ttl 64", "ttl 63")}
    trace id fc inet adm fw rule udp dport 97 counter packets 5 bytes 155 drop # handle 7 (verdict drop)`);
  const because = {
    family: "inet",
    table: "adm",
    chain: "fw",
    owner: "the admin",
    number: 1,
    text: "udp dport 97 counter drop",
  };
  expect(found).toEqual([
    {
      protocol: "udp",
      from: "10.1.0.11",
      sourcePort: 43143,
      to: "10.9.0.2",
      port: 97,
      iif: "v1",
      verdict: "dropped",
      detail: "",
      because,
      path: [{ ...because, verdict: "drop" }],
    },
  ]);
});

test("a packet that no rule sees again is lost where it was seen last", () => {
  expect(followed(upFromBridge)).toMatchObject([
    {
      verdict: "lost",
      detail: "after prerouting no rule has seen it again: no route, rp_filter, or no forwarding",
    },
  ]);
});

test("a packet that comes to the end is delivered, by the port of the bridge, and where nat led it", () => {
  const found = followed(`${upFromBridge}
    trace id fc inet trace-1 end_postrouting packet: iif "br0" oif "br1" ${rewritten}
    trace id fc inet trace-1 end_postrouting policy accept
    trace id fc bridge trace-1 end_postrouting packet: oif "v2" ${rewritten}
    trace id fc bridge trace-1 end_postrouting policy accept`);
  expect(found).toMatchObject([
    {
      verdict: "delivered",
      detail: "out by v2",
      rewritten: { address: "10.1.0.12", port: 98 },
    },
  ]);
});

test("a copy that is dropped does not hide that another has come to its end", () => {
  const found = followed(`${upFromBridge}
    trace id fc inet trace-1 end_input packet: iif "br0" ${sent}
    trace id fc inet trace-1 end_input policy accept
    trace id fd bridge adm other packet: iif "v1" oif "v2" ${sent}
    trace id fd bridge adm other rule oifname "v2" reject # handle 9 (verdict drop)`);
  expect(found).toMatchObject([{ verdict: "delivered", detail: "to the host itself" }]);
});

test("a packet that somebody else traces is not ours, and one that is new is another", () => {
  const other = upFromBridge.replaceAll("trace-1", "trace-2").replaceAll(/id f(.)/g, "id e$1");
  expect(followed(other)).toEqual([]);
  expect(followed(`${upFromBridge}${upFromBridge.replaceAll("id f", "id d")}`)).toHaveLength(2);
});

test("a packet is told when nothing was heard of it for long enough", () => {
  const lines = upFromBridge.trim().split("\n").length;
  expect(followed(upFromBridge, lines - 2)).toEqual([]);
  expect(followed(upFromBridge, lines - 1)).toHaveLength(1);
});

test.each([
  [
    'iif "v1" ip6 saddr fe80::1 ip6 daddr ff02::2 ip6 hoplimit 255 ip6 nexthdr ipv6-icmp ip6 length 8 icmpv6 type nd-router-solicit',
    { protocol: "icmp", source: "fe80::1", destination: "ff02::2" },
  ],
  [
    'iif "v1" arp operation request arp saddr ip 10.0.0.1 arp daddr ip 10.0.0.2',
    { protocol: "arp", source: "10.0.0.1", destination: "10.0.0.2" },
  ],
  [
    'oif "up0" ip saddr 10.0.0.1 ip daddr 10.0.0.2 ip ttl 64 ip protocol 132 ip length 31',
    { protocol: "132", oif: "up0" },
  ],
])("%s is understood", (text, packet) => {
  expect(readTraceLine(`trace id a bridge t c packet: ${text} `)?.told).toMatchObject({ packet });
});

test("what is no line of a trace says nothing", () => {
  expect(readTraceLine("# new generation 4 by process 1 (nft)")).toBeUndefined();
  expect(readTraceLine("trace id a1 inet t c rule tcp dport 1")).toBeUndefined();
});

/** As nft 1.1.3 prints them, which shows checksums, bursts and more: here bridged frames meet the chains of IP too. The handle is the listing's. */
const newer = {
  dropped: `
  trace id 0c955826 bridge trace-1 turn_on packet: iif "v1" ether saddr 42:81:7e:78:f2:6d ether daddr 82:93:f8:03:3f:8f ip saddr 10.1.0.11 ip daddr 10.9.0.2 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 5510 ip protocol udp ip length 31 udp sport 45175 udp dport 97 udp length 11 udp checksum 5171
  trace id 0c955826 bridge trace-1 turn_on rule limit rate 100/second burst 5 packets meta nftrace set 1 # handle 4 (verdict continue)
  trace id 0c955826 bridge trace-1 prerouting policy accept
  trace id 0c955826 inet trace-1 prerouting packet: iif "br0" ether saddr 42:81:7e:78:f2:6d ether daddr 82:93:f8:03:3f:8f ip saddr 10.1.0.11 ip daddr 10.9.0.2 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 5510 ip protocol udp ip length 31 udp sport 45175 udp dport 97 udp length 11 udp checksum 5171
  trace id 0c955826 inet trace-1 prerouting rule goto turn_on # handle 4 (verdict goto turn_on)
  trace id 0c955826 inet trace-1 turn_on rule limit rate 100/second burst 5 packets meta nftrace set 1 # handle 3 (verdict continue)
  trace id 0c955826 inet trace-1 prerouting policy accept
  trace id 0c955826 bridge trace-1 end_input packet: iif "v1" ether saddr 42:81:7e:78:f2:6d ether daddr 82:93:f8:03:3f:8f ip saddr 10.1.0.11 ip daddr 10.9.0.2 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 5510 ip protocol udp ip length 31 udp sport 45175 udp dport 97 udp length 11 udp checksum 5171
  trace id 0c955826 bridge trace-1 end_input policy accept
  trace id 161a98ad inet adm fw packet: iif "br0" oif "up0" ether saddr 42:81:7e:78:f2:6d ether daddr 82:93:f8:03:3f:8f ip saddr 10.1.0.11 ip daddr 10.9.0.2 ip dscp cs0 ip ecn not-ect ip ttl 63 ip id 5510 ip protocol udp ip length 31 udp sport 45175 udp dport 97 udp length 11 udp checksum 5171
  trace id 161a98ad inet adm fw rule udp dport 97 counter packets 0 bytes 0 drop # handle 7 (verdict drop)`,
  rejected: `
  trace id 0f41a868 bridge trace-1 turn_on packet: iif "v1" ether saddr 42:81:7e:78:f2:6d ether daddr 82:93:f8:03:3f:8f ip saddr 10.1.0.11 ip daddr 10.9.0.2 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 15853 ip protocol tcp ip length 60 tcp sport 43378 tcp dport 98 tcp flags == syn tcp window 64240
  trace id 0f41a868 bridge trace-1 turn_on rule limit rate 100/second burst 5 packets meta nftrace set 1 # handle 4 (verdict continue)
  trace id 0f41a868 bridge trace-1 prerouting policy accept
  trace id 0f41a868 inet trace-1 prerouting packet: iif "br0" ether saddr 42:81:7e:78:f2:6d ether daddr 82:93:f8:03:3f:8f ip saddr 10.1.0.11 ip daddr 10.9.0.2 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 15853 ip protocol tcp ip length 60 tcp sport 43378 tcp dport 98 tcp flags == syn tcp window 64240
  trace id 0f41a868 inet trace-1 prerouting rule goto turn_on # handle 4 (verdict goto turn_on)
  trace id 0f41a868 inet trace-1 turn_on rule limit rate 100/second burst 5 packets meta nftrace set 1 # handle 3 (verdict continue)
  trace id 0f41a868 inet trace-1 prerouting policy accept
  trace id 0f41a868 bridge trace-1 end_input packet: iif "v1" ether saddr 42:81:7e:78:f2:6d ether daddr 82:93:f8:03:3f:8f ip saddr 10.1.0.11 ip daddr 10.9.0.2 ip dscp cs0 ip ecn not-ect ip ttl 64 ip id 15853 ip protocol tcp ip length 60 tcp sport 43378 tcp dport 98 tcp flags == syn tcp window 64240
  trace id 0f41a868 bridge trace-1 end_input policy accept
  trace id ca0d3c73 inet adm fw packet: iif "br0" oif "up0" ether saddr 42:81:7e:78:f2:6d ether daddr 82:93:f8:03:3f:8f ip saddr 10.1.0.11 ip daddr 10.9.0.2 ip dscp cs0 ip ecn not-ect ip ttl 63 ip id 15853 ip protocol tcp ip length 60 tcp sport 43378 tcp dport 98 tcp flags == syn tcp window 64240
  trace id ca0d3c73 inet adm fw rule tcp dport 98 reject with tcp reset # handle 6 (verdict drop)`,
};

test("what nft 1.1.3 prints is followed alike", () => {
  expect(followed(newer.dropped)).toMatchObject([
    {
      protocol: "udp",
      from: "10.1.0.11",
      to: "10.9.0.2",
      port: 97,
      iif: "v1",
      verdict: "dropped",
      because: { table: "adm", chain: "fw", number: 1, text: "udp dport 97 counter drop" },
    },
  ]);
  expect(followed(newer.rejected)).toMatchObject([
    {
      protocol: "tcp",
      port: 98,
      verdict: "rejected",
      because: { table: "adm", chain: "fw", text: "tcp dport 98 reject with tcp reset" },
    },
  ]);
});
