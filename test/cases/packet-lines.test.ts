import { expect, test } from "vitest";
import { parsePacketLines } from "../world/packet-lines.ts";

test("a line names protocol, family, both ends and what becomes of the packet", () => {
  expect(parsePacketLines("tcp6 world@2001:db8::1 -> [2001:db8::2]:80 => web1:8080 from world")).toEqual([
    {
      text: "tcp6 world@2001:db8::1 -> [2001:db8::2]:80 => web1:8080 from world",
      line: 1,
      protocol: "tcp",
      family: 6,
      from: "world",
      source: "2001:db8::1",
      to: "2001:db8::2",
      port: 80,
      outcome: { kind: "answered", by: "web1", port: 8080, saw: "world" },
      condition: "always",
    },
  ]);
});

test("46 stands for one line a family, comments and blank lines for none", () => {
  const lines = parsePacketLines("# why\n\nicmp46 web1 -> gateway => blocked # so\n");
  expect(lines.map(({ text, family, line }) => [text, family, line])).toEqual([
    ["icmp4 web1 -> gateway => blocked", 4, 3],
    ["icmp6 web1 -> gateway => blocked", 6, 3],
  ]);
});

test("a section says under which setting of the kernel its lines hold", () => {
  const text = "[bridge-nf-call-iptables=1]\nudp a -> b:1 => blocked\n[always]\nudp a -> b:2 => delivered";
  expect(parsePacketLines(text).map((line) => line.condition)).toEqual([
    "bridge-nf-call-iptables=1",
    "always",
  ]);
});

test.each([
  ["tcp a -> b => blocked", "tcp and udp have a port"],
  ["icmp a -> b:1 => blocked", "tcp and udp have a port"],
  ["tcp a -> b:1 => maybe", "no such outcome: maybe"],
  ["sctp a -> b:1 => blocked", "not understood"],
])("%s is refused", (text, message) => {
  expect(() => parsePacketLines(text)).toThrow(message);
});
