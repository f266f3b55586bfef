import { expect, test } from "vitest";
import { compile } from "../compile/compile.ts";
import { address, guest, inventory, network, policy, prefix } from "../compile/sample.fake.ts";
import type { Network } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import { parsePolicy } from "../parse/policy.ts";
import { compareReach, describeReach } from "./describe-reach.ts";
import { planAdoption } from "./plan-adoption.ts";

const subnet4 = { prefix: prefix("10.20.0.0/24"), gateway: address("10.20.0.1") };
const subnet6 = { prefix: prefix("fd00:20::/64"), gateway: address("fd00:20::1") };

function plan(changes: Partial<Network>, wanted: Policy = policy()) {
  const net = network("n", changes);
  const found = inventory({ networks: [net], guests: [guest(1, "n")] });
  return planAdoption({ policy: wanted, inventory: found, network: net });
}

const written = (text: string) => parsePolicy([{ file: "p.yaml", text }]).policy;

test("the mode that libvirt's XML says goes into the policy, and what libvirt writes there by itself does not", () => {
  const natPorts = { first: 1024, last: 65535 };
  expect(plan({ natPorts })).toEqual({ keys: { mode: "nat" }, obstacles: [] });
  expect(plan({ forward: "route" })).toEqual({ keys: { mode: "route" }, obstacles: [] });
});

test("addresses and ports of NAT go into the policy, and IPv6 that libvirt only routes stays so", () => {
  const only = address("203.0.113.7");
  const changes = {
    natAddresses: { first: only, last: only },
    natPorts: { first: 2000, last: 3000 },
    subnets: [subnet4, subnet6],
  };
  const nat = { address: "203.0.113.7", ports: "2000-3000", ipv6: false };
  expect(plan(changes).keys).toEqual({ mode: "nat", nat });
  expect(plan({ ...changes, nat6: true }).keys.nat).not.toHaveProperty("ipv6");
});

test("what the policy says already is not written again", () => {
  const wanted = written("networks: { n: { mode: nat, nat: { ports: 4000-5000 } } }");
  const natPorts = { first: 2000, last: 3000 };
  expect(plan({ natPorts, subnets: [subnet4, subnet6] }, wanted).keys).toEqual({});
});

test("a policy whose mode is another one needs nothing of NAT", () => {
  const natPorts = { first: 2000, last: 3000 };
  expect(plan({ natPorts }, written("networks: { n: { mode: isolated } }")).keys).toEqual({});
});

test.each([
  ["bridge", { forward: "bridge" } as const, "only nat and route"],
  ["isolated", { forward: "isolated" } as const, "only nat and route"],
  ["devices", { forwardDevices: ["eth1"] }, "by eth1 only"],
])("what cannot be had without libvirt is in the way: %s", (_name, changes, words) => {
  expect(plan(changes).obstacles.join()).toContain(words);
});

test("an edit that the next start would bring is in the way, and what libvirt adds to a network that runs is not", () => {
  const net = network("n", { natPorts: { first: 1024, last: 65535 }, subnets: [subnet4] });
  const obstacles = (changes: Partial<Network>) => {
    const kept = network("n", { subnets: [subnet4], ...changes });
    const found = inventory({ networks: [net], guests: [] });
    return planAdoption({ policy: policy(), inventory: found, network: net, kept }).obstacles;
  };
  expect(obstacles({})).toEqual([]);
  expect(obstacles({ subnets: [subnet6] })).toEqual([expect.stringContaining("was edited since")]);
  expect(obstacles({ natPorts: { first: 2000, last: 3000 } })).toHaveLength(1);
});

test("a policy that says open is in the way, and so are ports that only libvirt can set up", () => {
  expect(plan({}, written("networks: { n: { mode: open } }")).obstacles.join()).toContain("open");
  const net = network("n");
  const [plain] = [guest(1, "n")];
  const special = {
    ...plain,
    nics: plain.nics.map((nic) => ({ ...nic, hasPortSettings: true as const })),
  };
  const found = inventory({ networks: [net], guests: [special] });
  const planned = planAdoption({
    policy: policy(),
    inventory: found,
    network: net,
  });
  expect(planned.obstacles.join()).toContain("ports of g1");
});

test("with these keys the open network compiles to the same tables, whatever libvirt's XML said", () => {
  const only = address("203.0.113.7");
  const variants: Partial<Network>[] = [
    {},
    { forward: "route" },
    { natPorts: { first: 2000, last: 3000 } },
    { natAddresses: { first: only, last: only } },
    { natAddresses: { first: only, last: address("203.0.113.9") } },
    { subnets: [subnet4, subnet6] },
    { subnets: [subnet4, subnet6], nat6: true },
    { subnets: [subnet4, subnet6], forward: "route" },
  ];
  for (const changes of variants) {
    const text = JSON.stringify({ networks: { n: plan(changes).keys } });
    const { natAddresses: _addresses, natPorts: _ports, ...bare } = network("n", changes);
    const open = { ...bare, forward: "open", nat6: false } as const;
    const before = compile(policy(), inventory({ networks: [network("n", changes)] }));
    const after = compile(written(text), inventory({ networks: [open] }));
    expect(after.tables).toEqual(before.tables);
    const reach = describeReach(before.intent, "n");
    expect(compareReach(reach, describeReach(after.intent, "n"))).toEqual([]);
  }
});

test("a difference in reachability is told in words", () => {
  const found = inventory({ networks: [network("n"), network("other")] });
  const reachOf = (wanted: Policy) => describeReach(compile(wanted, found).intent, "n");
  expect(
    compareReach(
      reachOf(policy()),
      reachOf(written("networks: { n: { mode: route, isolate: true, reach: [other] } }")),
    ),
  ).toEqual([
    "guests of n to the outside: yes, IPv4 from the uplink's address, ports 1024-65535 before, yes, IPv4 from its own addresses after",
    "the outside to guests of n: publications only before, yes, as their groups say after",
    "guests of n among themselves: yes before, no after",
    "guests of n to guests of other: no before, yes after",
  ]);
});

test.each(["nat", "route"] as const)(
  "a network in mode %s whose one interface leads to no world reaches none",
  (forward) => {
    const reachBy = (device: string) => {
      const found = [network("n", { forward, forwardDevices: [device] }), network("other")];
      const reach = describeReach(compile(policy(), inventory({ networks: found })).intent, "n");
      return [reach.get("guests of n to the outside"), reach.get("the outside to guests of n")];
    };
    expect(reachBy("wg0")[0]).toMatch(/^yes, by wg0 alone, /);
    for (const device of ["br-other", "br-n", "a name that nft cannot have"]) {
      expect(reachBy(device), device).toEqual(["no", "publications only"]);
    }
  },
);
