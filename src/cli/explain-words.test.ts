import { describe, expect, it } from "vitest";
import { ComplaintError, UsageError } from "./exit-status.ts";
import { plainHost } from "../explain/host.fake.ts";
import { readQuestion } from "./explain-words.ts";

const ground = {
  tables: [],
  host: {
    ...plainHost,
    route: () => ({ kind: "none" as const, loss: { why: "no route" as const } }),
  },
};
const nics = [{ guest: "web1", mac: "52:54:00:00:00:01", addresses: ["10.0.0.5", "fd00::5"] }];

const ask = (protocol: string, from: string, to: string) =>
  readQuestion({ words: { protocol, from, to } }, { ground, nics, guests: ["web1", "off1"] });

describe("a question in words", () => {
  it("names addresses and a port", () => {
    expect(ask("tcp", "198.51.100.7", "203.0.113.10:443")).toEqual({
      protocol: "tcp",
      family: 4,
      from: 0xc6336407n,
      to: 0xcb00710an,
      port: 443,
    });
  });

  it("takes an IPv6 address with a port in brackets", () => {
    expect(ask("udp", "world", "[::5]:53")).toMatchObject({ family: 6, to: 5n, port: 53 });
  });

  it("takes the address of a guest in the family of the other end", () => {
    expect(ask("tcp", "guest:web1", "[::5]:80")).toMatchObject({ from: (0xfd00n << 112n) + 5n });
    expect(ask("tcp", "world", "guest:web1:22")).toMatchObject({ to: 0x0a000005n, port: 22 });
  });

  it("tells which guest cannot be asked about now", () => {
    expect(ask("tcp", "world", "guest:off1:22")).toEqual({ guest: "off1" });
  });

  it.each([
    ["sctp", "host", "world:80", "sctp is no protocol; say tcp, udp, icmp"],
    ["tcp", "host", "10.0.0.1", "10.0.0.1 has no port; say 10.0.0.1:80"],
    ["tcp", "host", "fd00::1", "fd00::1 has no port; say [fd00::1]:80"],
    ["tcp", "host", "guest:web1", "guest:web1 has no port; say guest:web1:80"],
    ["icmp", "host", "10.0.0.1:8", "icmp has no ports"],
    ["tcp", "host", "10.0.0.1:70000", "70000 is no port"],
    ["tcp", "web1", "10.0.0.1:80", "web1 is no address, guest:NAME, host or world"],
    ["tcp", "10.0.0.1", "[fd00::1]:80", "10.0.0.1 and [fd00::1]:80 have no IP family in common"],
    ["tcp", "world", "host:80", "which of its addresses? name one in place of host"],
  ])("refuses %s %s %s", (protocol, from, to, message) => {
    expect(() => ask(protocol, from, to)).toThrow(new UsageError(message));
  });

  it("refuses a guest of whom nobody knows, which is no wrong usage", () => {
    const message = "there is no guest web2 that runs or that the policy names; did you mean web1?";
    expect(() => ask("tcp", "guest:web2", "[::5]:80")).toThrow(new ComplaintError(message));
  });
});
