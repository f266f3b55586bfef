import { describe, expect, it } from "vitest";
import { toBits } from "../base/address.ts";
import { isWithin, networkOf } from "./outsider.ts";
import { findRoute, outsider, type RouteRow } from "./routes.ts";

const rows: readonly RouteRow[] = [
  { dst: "default", gateway: "203.0.113.1", dev: "eth0" },
  { dst: "203.0.113.0/24", dev: "eth0" },
  { dst: "192.168.122.0/24", dev: "virbr0" },
  { dst: "192.168.123.0/24", dev: "virbr1" },
];
const rules = [{ priority: 32766, src: "all", table: "main" }];
const tables = { rules: { 4: rules, 6: [] }, routes: { 4: rows, 6: [] } };
const world = outsider(tables, 4);
const network = (text: string, length: number) => networkOf(toBits(text), length, 4);

describe("somebody of the world", () => {
  it.each([
    ["a guests' network", "192.168.122.0", 24, "no"],
    ["two networks beside each other", "192.168.122.0", 23, "no"],
    ["the host itself", "127.0.0.1", 32, "no"],
    ["all addresses", "0.0.0.0", 0, "yes"],
    ["a network that only begins so", "192.168.0.0", 16, "maybe"],
    ["one address out there", "198.51.100.7", 32, "maybe"],
  ] as const)("is in %s: %s/%i, %s", (_title, address, length, answer) => {
    expect(isWithin(world, network(address, length))).toBe(answer);
  });

  it("is reached by the default route", () => {
    const query = { family: 4, source: "unknown", destination: world, mark: 0n } as const;
    expect(findRoute(tables, query)).toMatchObject({ kind: "unicast", dev: "eth0" });
  });

  it("is reached by nobody knows which of two halves that make up everything", () => {
    const halves = [
      { dst: "0.0.0.0/1", dev: "tun0" },
      { dst: "128.0.0.0/1", dev: "tun0" },
    ];
    const split = { rules: tables.rules, routes: { 4: [...rows, ...halves], 6: [] } };
    const destination = outsider(split, 4);
    const query = { family: 4, source: "unknown", destination, mark: 0n } as const;
    expect(findRoute(split, query).kind).toBe("unknown");
  });
});
