import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Inventory } from "../model/inventory.ts";
import type { Policy } from "../model/policy.ts";
import type { Element, Expression } from "../nft/ast.ts";
import { compile } from "./compile.ts";
import {
  address,
  at,
  device,
  guest,
  guestPolicy,
  inventory,
  lease,
  mac,
  network,
  policy,
  prefix,
  publish,
} from "./sample.fake.ts";

/** An element as a person writes it: `198.51.100.1 . tcp . 80 : 10.20.0.11 . 80`. */
function text(element: Element): string {
  const data = element.data;
  if (data === undefined) return expression(element.key);
  const value =
    data.kind === "goto" || data.kind === "jump"
      ? `${data.kind} ${data.chain}`
      : expression(data as Expression);
  return `${expression(element.key)} : ${value}`;
}

function expression(part: Expression): string {
  switch (part.kind) {
    case "value":
      return String(part.value);
    case "range":
      return `${part.first}-${part.last}`;
    case "prefix":
      return `${part.address}/${part.length}`;
    case "concat":
      return part.parts.map(expression).join(" . ");
    default:
      return part.kind;
  }
}

/** Elements of the set `NAME`, or `bridge NAME` for the bridge table's. */
function set(name: string, wanted: Policy, actual: Inventory): string[] {
  const [inet, bridge] = compile(wanted, actual).tables;
  const bare = name.replace(/^bridge /, "");
  const found = (bare === name ? inet : bridge)?.sets.find((candidate) => candidate.name === bare);
  return (found?.elements ?? []).map(text);
}

const web = inventory({
  networks: [network("default")],
  guests: [guest(1, "default")],
  leases: [lease(1, "10.20.0.11", "br-default")],
});

function publishing(...publications: ReturnType<typeof publish>[]): Policy {
  return policy({ guests: new Map([["g1", guestPolicy("g1", { publish: publications })]]) });
}

describe("publications", () => {
  it("lead from every address of the uplinks to the guest's address of that family", () => {
    const wanted = publishing(publish("tcp", [8080, 8080], [80, 80]));
    expect(set("publish4", wanted, web)).toEqual(["198.51.100.1 . tcp . 8080 : 10.20.0.11 . 80"]);
    expect(set("publish6", wanted, web)).toEqual([]);
    expect(set("admit4", wanted, web)).toEqual(["198.51.100.1 . tcp . 8080 : goto published"]);
  });

  it("keep a range that keeps its ports as one element", () => {
    const wanted = publishing(publish("udp", [5000, 5010]));
    expect(set("publish4_ranges", wanted, web)).toEqual([
      "198.51.100.1 . udp . 5000-5010 : 10.20.0.11",
    ]);
    expect(set("publish4", wanted, web)).toEqual([]);
  });

  it("list a range that shifts port by port", () => {
    const wanted = publishing(publish("udp", [5000, 5001], [6000, 6001]));
    expect(set("publish4", wanted, web)).toEqual([
      "198.51.100.1 . udp . 5000 : 10.20.0.11 . 6000",
      "198.51.100.1 . udp . 5001 : 10.20.0.11 . 6001",
    ]);
  });

  it("admit restricted peers by a chain of their own, which the same peers share", () => {
    const from = [{ kind: "prefix" as const, prefix: prefix("192.0.2.0/24"), at }];
    const wanted = publishing(
      { ...publish("tcp", [80, 80]), from },
      { ...publish("tcp", [443, 443]), from },
    );
    const admitted = set("admit4", wanted, web);
    expect(admitted).toHaveLength(2);
    expect(new Set(admitted.map((element) => element.split(" : ")[1])).size).toBe(1);
  });

  it("are pending, with the reason, until the guest runs and has an address", () => {
    const wanted = publishing(publish("tcp", [80, 80]));
    const reasons = [inventory(), { ...web, leases: [] }].map(
      (actual) => compile(wanted, actual).publications[0],
    );
    expect(reasons).toMatchObject([
      { state: "pending", reason: "the guest does not run", targets: [] },
      { state: "pending", reason: "the guest has no known address behind this host", targets: [] },
    ]);
  });

  it("name the elements that count their connections", () => {
    const [state] = compile(publishing(publish("tcp", [80, 80])), web).publications;
    expect(state?.targets[0]?.counters).toEqual([
      { set: "admit4", key: "198.51.100.1 . tcp . 80" },
    ]);
  });
});

describe("addresses of a guest", () => {
  const reservation = { mac: mac("52:54:00:00:00:01"), address: address("10.20.0.12") };
  const reserved = { ...web, networks: [network("default", { reservations: [reservation] })] };

  it("come from a reservation before a lease", () => {
    expect(compile(policy(), reserved).guests[0]?.nics[0]?.addresses).toEqual([
      { address: "10.20.0.12", source: "reservation" },
    ]);
  });

  it("come from the network whose bridge the nic names, too", () => {
    const guests = reserved.guests.map((guest) => ({
      ...guest,
      nics: guest.nics.map(({ network: _network, ...nic }) => ({
        ...nic,
        bridge: device("br-default"),
      })),
    }));
    expect(compile(policy(), { ...reserved, guests }).guests[0]?.nics[0]?.addresses).toEqual([
      { address: "10.20.0.12", source: "reservation" },
    ]);
  });

  it("come from policy before anything else, a family at a time", () => {
    const fixed = (text: string) => {
      const addresses = [address(text)];
      const nic = { mac: mac("52:54:00:00:00:01"), addresses, parameters: new Map(), at };
      const guests = new Map([["g1", guestPolicy("g1", { nics: new Map([[nic.mac, nic]]) })]]);
      return compile(policy({ guests }), reserved).guests[0]?.nics[0]?.addresses;
    };
    expect(fixed("10.20.0.5")).toEqual([{ address: "10.20.0.5", source: "policy" }]);
    expect(fixed("fd00::5")).toEqual([
      { address: "10.20.0.12", source: "reservation" },
      { address: "fd00::5", source: "policy" },
    ]);
  });

  it("come from the guest's agent and then the neighbour table where nobody better knows any", () => {
    const unknown = { ...web, leases: [] };
    const agentAddresses = [
      { uuid: "1", mac: mac("52:54:00:00:00:01"), address: address("10.20.0.21") },
    ];
    const neighbours = ["10.20.0.32", "10.20.0.31"].map((text) => {
      return {
        bridge: device("br-default"),
        mac: mac("52:54:00:00:00:01"),
        address: address(text),
      };
    });
    const known = [
      { ...web, agentAddresses, neighbours },
      { ...unknown, agentAddresses, neighbours },
      { ...unknown, neighbours },
    ].map((actual) => compile(policy(), actual).guests[0]?.nics[0]?.addresses);
    expect(known).toEqual([
      [{ address: "10.20.0.11", source: "lease" }],
      [{ address: "10.20.0.21", source: "agent" }],
      [{ address: "10.20.0.32", source: "neighbour" }],
    ]);
  });

  it("are asked of an agent where a publication needs one that nobody better knows", () => {
    const [first] = web.guests;
    if (first === undefined) throw new Error("the sample has no guest");
    const guests = [{ ...first, hasAgent: true as const }];
    const wanted = policy({
      guests: new Map([["g1", guestPolicy("g1", { publish: [publish("tcp", [80, 80])] })]]),
    });
    const asked = (by: typeof wanted, actual: Inventory) => compile(by, actual).agentsToAsk;
    expect(asked(wanted, { ...web, guests, leases: [] })).toEqual(["1"]);
    expect(asked(wanted, { ...web, guests })).toEqual([]);
    expect(asked(policy(), { ...web, guests, leases: [] })).toEqual([]);
    expect(asked(wanted, { ...web, leases: [] })).toEqual([]);
  });

  it("are led to by the lease that was given last, however long the former one stands", () => {
    const given = (text: string, expires: number) => ({
      ...lease(1, text, "br-default"),
      expires,
    });
    const addressesBy = (leases: Inventory["leases"]) =>
      compile(policy(), { ...web, leases }).guests[0]?.nics[0]?.addresses.map((a) => a.address);
    const former = given("10.20.0.11", 1_000);
    expect(addressesBy([former, given("10.20.0.40", 2_000)])?.[0]).toBe("10.20.0.40");
    expect(addressesBy([given("10.20.0.40", 2_000), former])?.[0]).toBe("10.20.0.40");
    expect(addressesBy([given("10.20.0.41", 0), given("10.20.0.40", 0)])?.[0]).toBe("10.20.0.40");
    expect(addressesBy([given("10.20.0.40", 0), former])).toEqual(["10.20.0.40", "10.20.0.11"]);
  });

  it("are not taken from a lease that another bridge gave to the same MAC", () => {
    const elsewhere = { ...web, leases: [lease(1, "10.30.0.5", "br-other")] };
    expect(compile(policy(), elsewhere).guests[0]?.nics[0]?.addresses).toEqual([]);
  });
});

describe("networks", () => {
  it("that libvirt calls open are not judged until policy gives them a mode", () => {
    const open = inventory({ networks: [network("lab", { forward: "open" })] });
    const moded = policy({
      networks: new Map([
        ["lab", { name: "lab", mode: "nat", isolate: false, reach: [], services: [], at }],
      ]),
    });
    expect(set("judged", policy(), open)).toEqual([]);
    expect(set("bridges", policy(), open)).toEqual(["br-lab"]);
    expect(set("judged", moded, open)).toEqual(["br-lab"]);
    expect(set("nat4", moded, open)).toEqual(["br-lab . 10.20.0.0/24"]);
  });

  it("whose bridge is an uplink are bridged, whatever their XML says", () => {
    const onUplink = inventory({
      networks: [network("lan", { bridge: device("eth0"), forward: "open" })],
    });
    expect(set("bridged", policy(), onUplink)).toEqual(["eth0 . eth0"]);
    expect(set("bridges", policy(), onUplink)).toEqual([]);
  });

  it("rewrite IPv6 only where libvirt's XML or policy says so", () => {
    const subnets = [{ prefix: prefix("fd00:20::/64"), gateway: address("fd00:20::1") }];
    const plain = inventory({ networks: [network("v6", { subnets })] });
    const asked = inventory({ networks: [network("v6", { subnets, nat6: true })] });
    expect(set("nat6", policy(), plain)).toEqual([]);
    expect(set("nat6", policy(), asked)).toEqual(["br-v6 . fd00:20::/64"]);
  });
});

describe("a network of which libvirt knows no address", () => {
  const bare = network("bare", { forward: "open", subnets: [] });

  it("may use any address where nobody has one", () => {
    const actual = inventory({ networks: [bare] });
    expect(set("sources4", policy(), actual)).toEqual(["br-bare . 0.0.0.0/0"]);
    expect(set("sources6", policy(), actual)).toEqual(["br-bare . ::/0"]);
  });

  it("may use none of another network's", () => {
    const subnets = ["0.0.0.0/8", "10.20.0.0/24", "fd00:20::/64", "255.255.255.252/30"].map(
      (text) => ({ prefix: prefix(text), gateway: address("10.20.0.1") }),
    );
    const actual = inventory({ networks: [bare, network("n", { subnets })] });
    const sources = (name: string) =>
      set(name, policy(), actual).filter((each) => each.startsWith("br-bare"));
    expect(sources("sources4")).toEqual([
      "br-bare . 1.0.0.0-10.19.255.255",
      "br-bare . 10.20.1.0-255.255.255.251",
    ]);
    expect(sources("sources6")).toEqual([
      "br-bare . ::-fd00:1f:ffff:ffff:ffff:ffff:ffff:ffff",
      "br-bare . fd00:20:0:1::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ]);
  });
});

describe("a network that libvirt lets out by one interface", () => {
  const reach = (forward: "nat" | "route" | "open", forwardDevices: string[]) => {
    const other = network("other", {
      subnets: [{ prefix: prefix("10.21.0.0/24"), gateway: address("10.21.0.1") }],
    });
    const actual = inventory({ networks: [network("n", { forward, forwardDevices }), other] });
    return [set("confined", policy(), actual), set("reach", policy(), actual)];
  };

  it.each([
    ["nat", ["wg0"], ["br-n"], ["br-n . wg0"]],
    ["route", ["wg0"], ["br-n"], ["br-n . wg0", "wg0 . br-n"]],
    ["route", ["wg0", "wg1"], ["br-n"], ["br-n . wg0", "wg0 . br-n"]],
    ["nat", ["a name that nft cannot have"], ["br-n"], []],
    ["nat", ["br-other"], ["br-n"], []],
    ["open", ["wg0"], [], []],
  ] as const)("mode %s by %s", (forward, devices, confined, pairs) => {
    expect(reach(forward, [...devices])).toEqual([confined, pairs]);
  });
});

describe("taps", () => {
  it("of known guests and of bridges that are none of ours may send", () => {
    const taps = ["tap7", "tap8", "vnet9"].map((name) => ({
      name: device(name),
      addresses: [],
      hasDefaultRoute: false,
      kind: "tun",
      master: device(name === "tap8" ? "br-default" : "br-lan"),
    }));
    const actual = { ...web, host: { interfaces: taps } };
    expect(set("bridge foreign_taps", policy(), actual)).toEqual(["tap7"]);
    expect(set("bridge taps", policy(), actual)).toEqual(["vnet1"]);
  });
});

describe("the ruleset", () => {
  const many = inventory({
    networks: [
      network("a"),
      network("b", {
        subnets: [{ prefix: prefix("10.21.0.0/24"), gateway: address("10.21.0.1") }],
      }),
    ],
    guests: [guest(1, "a"), guest(2, "b"), guest(3, "a")],
    leases: [
      lease(1, "10.20.0.11", "br-a"),
      lease(2, "10.21.0.12", "br-b"),
      lease(3, "10.20.0.13", "br-a"),
    ],
  });
  const entries = [1, 2, 3].map((number) => {
    const groups = [
      { name: "web", at },
      { name: "db", at },
    ].slice(0, number % 3);
    const name = `g${number}`;
    return [
      name,
      guestPolicy(name, { groups, publish: [publish("tcp", [8000 + number, 8000 + number])] }),
    ] as const;
  });
  const allow = { verdict: "allow", peers: [], log: false, at } as const;
  const groups = ["web", "db"].map(
    (name) =>
      [
        name,
        { name, ingress: [{ ...allow, services: [{ kind: "any" }] }], egress: [], at },
      ] as const,
  );
  const build = (guests: typeof entries) =>
    policy({ guests: new Map(guests), groups: new Map(groups) });

  it("is the same whatever the order of the input", () => {
    const expected = JSON.stringify(compile(build(entries), many).tables);
    const shuffled = <T>(values: readonly T[]) =>
      fc.shuffledSubarray([...values], { minLength: values.length });
    fc.assert(
      fc.property(
        shuffled(entries),
        fc.record({
          networks: shuffled(many.networks),
          guests: shuffled(many.guests),
          leases: shuffled(many.leases),
        }),
        (guests, order) => {
          const actual = { ...many, ...order };
          expect(JSON.stringify(compile(build(guests), actual).tables)).toBe(expected);
        },
      ),
    );
  });

  it("has no more rules for more guests in the same groups", () => {
    const rules = (actual: Inventory) =>
      compile(build(entries), actual).tables.flatMap((table) =>
        table.chains.flatMap((chain) => chain.rules),
      ).length;
    const clones = Array.from({ length: 50 }, (_, index) => ({
      ...guest(1, "a"),
      name: "g1",
      nics: guest(1, "a").nics.map((nic) => ({ ...nic, tap: device(`vnet${100 + index}`) })),
    }));
    expect(rules({ ...many, guests: [...many.guests, ...clones] })).toBe(rules(many));
  });
});
