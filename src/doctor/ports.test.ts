import { describe, expect, test } from "vitest";
import type { Expression, Rule, Statement, Table } from "../nft/ast.ts";
import { anonymousSet, equal, payload, range, rule, value } from "../nft/build.ts";
import { foreignForwards } from "./foreign-forwards.ts";
import { reservedPorts } from "./reserved-ports.ts";
import {
  address,
  desiredOf,
  find,
  groundOf,
  guestPolicy,
  link,
  publish,
  soundHost,
  withSettings,
} from "./sound-host.fake.ts";

const port = payload("tcp", "dport");

function nat(priority: number, ...rules: readonly Rule[]): Table {
  const base = { type: "nat", hook: "prerouting", priority, policy: "accept" } as const;
  return { family: "ip", name: "admin", sets: [], chains: [{ name: "pre", base, rules }] };
}

/** The last one of a port. */
const bitOf = (left: Expression): Expression => ({ kind: "&", left, right: value(1) });
const greater: Statement = { kind: "match", op: ">", left: port, right: value(5006) };
const elsewhere = { kind: "dnat", address: value("172.17.0.2"), port: value(80) } as const;

describe("a forward of others for a published port", () => {
  const findBeside = (table: Table) =>
    find(foreignForwards, soundHost({ ground: groundOf(table) }));

  test("that comes first takes it from the guest", () => {
    expect(findBeside(nat(-150, rule(equal(port, value(80)), elsewhere)))).toMatchObject([
      {
        severity: "error",
        message:
          "the admin leads tcp/80 of 198.51.100.1 to 172.17.0.2:80: nobody outside reaches 'g1', for which it is published",
        evidence: ["ip admin pre: tcp dport 80 dnat to 172.17.0.2:80"],
        fix: { text: expect.stringContaining("virtwall publish remove g1 tcp/80") },
      },
    ]);
  });

  test("that comes after ours is never reached", () => {
    const rules = [rule(equal(port, anonymousSet(value(80), value(443))), elsewhere)];
    expect(findBeside(nat(-100, ...rules))).toMatchObject([
      {
        severity: "warning",
        message: expect.stringContaining("nobody outside reaches 172.17.0.2:80, where the admin"),
      },
    ]);
  });

  test.each([
    ["a range", equal(port, range(5003, 5006)), [5003, 5004, 5005, 5006]],
    ["what is greater", greater, [5007, 5008, 5009]],
    ["some bits", equal(bitOf(port), value(1)), [5001, 5003, 5005, 5007, 5009]],
  ])("of %s is found of those publications alone that it takes", (_what, match, taken) => {
    const ports = Array.from({ length: 10 }, (_, index) => 5000 + index);
    const each = ports.map((one) => publish("tcp", [one, one]));
    const guests = new Map([["g1", guestPolicy("g1", { publish: each })]]);
    const desired = desiredOf({ policy: { guests } });
    const table = nat(-150, rule(match, elsewhere));
    const { host } = groundOf();
    const tables = [...desired.compiled.tables, table];
    const found = find(foreignForwards, soundHost({ desired, ground: { tables, host } }));
    const told = found.map(({ message }) => Number(/leads tcp\/(\d+) /.exec(message)?.[1]));
    expect(told).toEqual(taken);
  });

  test("in the midst of a range is found", () => {
    const guests = new Map([
      ["g1", guestPolicy("g1", { publish: [publish("tcp", [5000, 5010])] })],
    ]);
    const desired = desiredOf({ policy: { guests } });
    const { host } = groundOf();
    const table = nat(-150, rule(equal(port, range(5004, 5005)), { kind: "redirect" }));
    const taken = nat(-150, rule(equal(port, range(5004, 5005)), elsewhere));
    const findIn = (foreign: Table) => {
      const tables = [...desired.compiled.tables, foreign];
      return find(foreignForwards, soundHost({ desired, ground: { tables, host } }));
    };
    expect(findIn(taken)).toMatchObject([{ message: expect.stringContaining("tcp/5004 of") }]);
    expect(findIn(table)).toMatchObject([{ severity: "error" }]);
  });

  test("is none of another port, or to where the guest is anyway", () => {
    const same = { kind: "dnat", address: value("10.20.0.11") } as const;
    expect(findBeside(nat(-150, rule(equal(port, value(81)), elsewhere)))).toEqual([]);
    expect(findBeside(nat(-150, rule(equal(port, value(80)), same)))).toEqual([]);
    expect(find(foreignForwards, soundHost())).toEqual([]);
  });
});

describe("a published port that the kernel may give away", () => {
  const guests = new Map([
    ["g1", guestPolicy("g1", { publish: [publish("udp", [45000, 45010])] })],
  ]);
  const desired = desiredOf({ policy: { guests } });

  test("is reserved, beside those that are", () => {
    const facts = withSettings({ "net/ipv4/ip_local_reserved_ports": "8080,45000-45004" });
    expect(find(reservedPorts, { ...facts, desired })).toMatchObject([
      {
        evidence: [
          "net.ipv4.ip_local_port_range = 32768\t60999",
          "net.ipv4.ip_local_reserved_ports = 8080,45000-45004",
          "udp/45000-45010 is published for 'g1'",
        ],
        fix: {
          steps: [
            {
              kind: "setting",
              path: "net/ipv4/ip_local_reserved_ports",
              value: "8080,45000-45010",
            },
          ],
        },
      },
    ]);
  });

  test("is none that is reserved, out of range, or of an address that the host has not", () => {
    const facts = withSettings({ "net/ipv4/ip_local_reserved_ports": "45000-45005,45006-45100" });
    expect(find(reservedPorts, { ...facts, desired })).toEqual([]);
    expect(find(reservedPorts, soundHost())).toEqual([]);
    const routed = { ...publish("udp", [45000, 45000]), address: address("203.0.113.10") };
    const policy = { guests: new Map([["g1", guestPolicy("g1", { publish: [routed] })]]) };
    expect(find(reservedPorts, soundHost({ desired: desiredOf({ policy }) }))).toEqual([]);
    const links = [link("eth0", "203.0.113.10/24")];
    expect(find(reservedPorts, soundHost({ links, desired: desiredOf({ policy }) }))).toHaveLength(
      1,
    );
  });
});
