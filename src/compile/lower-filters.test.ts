import { describe, expect, it } from "vitest";
import type { Filter, FilterMatch, FilterRule } from "../model/filter.ts";
import type { BridgeFacts, Lease } from "../model/inventory.ts";
import { concat, value } from "../nft/build.ts";
import { diffTables } from "../nft/diff.ts";
import { compile } from "./compile.ts";
import * as sample from "./sample.fake.ts";

const { at } = sample;

const match = (attribute: string, text: string): FilterMatch => ({
  attribute,
  isNegated: false,
  value: text.startsWith("$")
    ? { kind: "variable", name: text.slice(1) }
    : { kind: "literal", text },
  at,
});

const rule = (protocol: string, ...matches: FilterMatch[]): FilterRule => ({
  kind: "rule",
  action: "accept",
  direction: "inout",
  priority: 500,
  isStateless: false,
  protocol,
  matches,
  at,
});

const filter = (...entries: Filter["entries"]): Filter => ({
  name: "f",
  chain: "root",
  entries,
  at,
});

const ports = filter(
  rule("ip", match("srcipaddr", "$IP"), match("dstipaddr", "10.0.0.1")),
  rule("tcp", match("dstportstart", "$PORT")),
);

/** Guests with one nic each, all bound to `f`, with what the position's entry gives. */
function tablesOf(
  definition: Filter | readonly Filter[],
  given: readonly Readonly<Record<string, readonly string[]>>[],
  { leases = [], bridges }: { leases?: readonly Lease[]; bridges?: BridgeFacts } = {},
) {
  const guests = given.map((_, index) => sample.guest(index + 1, "lan"));
  const policies = guests.map(({ name, nics }, index) => {
    const macs = nics.map(({ mac }) => mac);
    const parameters = new Map(Object.entries(given[index] ?? {}));
    const nicPolicies = macs.map((mac) => [mac, { mac, addresses: [], parameters, at }] as const);
    const changes = { filter: { name: "f", at }, nics: new Map(nicPolicies) };
    return [name, sample.guestPolicy(name, changes)] as const;
  });
  const inventory = sample.inventory({
    networks: [sample.network("lan")],
    guests,
    leases,
    filters: new Map([definition].flat().map((each) => [each.name, each])),
    host: { interfaces: [], ...(bridges && { bridges }) },
  });
  return compile(sample.policy({ guests: new Map(policies) }), inventory).tables;
}

const rulesAndChains = /^(add|delete|flush) (rule|chain|set|map|table)/m;

describe("a nic more in a filter that is in force", () => {
  const one = { IP: ["10.0.0.2"], PORT: ["22"] };
  const other = { IP: ["10.0.0.3", "10.0.0.4"], PORT: ["80", "443"] };

  it("is elements and nothing else", () => {
    const script = diffTables(tablesOf(ports, [one]), tablesOf(ports, [one, other]));
    expect(script).not.toMatch(rulesAndChains);
    expect(script).toContain('"vnet2" . 10.0.0.4');
    expect(script).toContain('"vnet2" . 443');
  });

  it("is rules of its own where it gives what cannot be an element", () => {
    const option = filter(rule("ip", match("dscp", "$CLASS")));
    const script = diffTables(
      tablesOf(option, [{ CLASS: ["46"] }]),
      tablesOf(option, [{ CLASS: ["46"] }, { CLASS: ["46"] }, { CLASS: ["10"] }]),
    );
    expect(script.match(/^add chain bridge virtwall from/gm)).toHaveLength(1);
  });
});

describe("a lease of libvirt's own server, where addresses are learned from DHCP", () => {
  const learning = filter(rule("ip", match("srcipaddr", "$IP")));
  const lease = sample.lease(1, "10.0.0.2", "br-lan");
  const leased = (
    parameters: Readonly<Record<string, readonly string[]>>,
    leases: readonly Lease[],
  ) => {
    const [, bridge] = tablesOf(learning, [{ CTRL_IP_LEARNING: ["dhcp"], ...parameters }], {
      leases,
    });
    return bridge?.sets.find(({ name }) => name === "leased4")?.elements.map(({ key }) => key);
  };
  const element = concat(value("vnet1"), value(0x0a000002));

  it("comes, changes and ends as an element", () => {
    const dhcp = [{ CTRL_IP_LEARNING: ["dhcp"] }];
    const other = sample.lease(1, "10.0.0.3", "br-lan");
    const states = [[], [lease], [other], []].map((leases) => tablesOf(learning, dhcp, { leases }));
    const scripts = states.slice(1).map((after, index) =>
      diffTables(states[index] ?? [], after)
        .trimEnd()
        .split("\n"),
    );
    const set = "element bridge virtwall leased4";
    expect(scripts).toEqual([
      [`add ${set} { "vnet1" . 167772162 }`],
      [`delete ${set} { "vnet1" . 167772162 }`, `add ${set} { "vnet1" . 167772163 }`],
      [`delete ${set} { "vnet1" . 167772163 }`],
    ]);
  });

  it("counts as long as it lasts", () => {
    expect(leased({}, [lease])).toEqual([element]);
    expect(leased({}, [{ ...lease, hasEnded: true }])).toEqual([]);
  });

  it("is that of another on another bridge, or with another MAC address", () => {
    const others = [sample.lease(1, "10.0.0.2", "br-dmz"), sample.lease(2, "10.0.0.2", "br-lan")];
    expect(leased({}, others)).toEqual([]);
  });

  it("counts only where its server may give addresses", () => {
    expect(leased({ DHCPSERVER: ["10.20.0.1"] }, [lease])).toEqual([element]);
    expect(leased({ DHCPSERVER: ["10.20.0.9"] }, [lease])).toEqual([]);
  });

  it("is nothing where the first address used is the nic's", () => {
    expect(leased({ CTRL_IP_LEARNING: ["any"] }, [lease])).toBeUndefined();
  });
});

describe("values in sets", () => {
  const setsOf = (definition: Filter, given: Readonly<Record<string, readonly string[]>>) =>
    tablesOf(definition, [given])[1]?.sets.filter(({ name }) => name.startsWith("var/")) ?? [];

  it("are apart where rules ask for the same variables in another order", () => {
    const own = "52:54:00:00:00:01";
    const ends = [match("srcmacaddr", "$A"), match("dstmacaddr", "$B")];
    const orders = filter(
      rule("arp", ...ends, match("arpsrcmacaddr", "$A")),
      rule("arp", ...ends, match("arpsrcmacaddr", "$B")),
    );
    const sets = setsOf(orders, { A: [own], B: ["52:54:00:00:00:02"] });
    expect(sets.map(({ elements }) => elements.length)).toEqual([1, 1]);
    expect(new Set(sets.map(({ elements }) => JSON.stringify(elements))).size).toBe(2);
  });

  it("are apart where a number has another length", () => {
    const mac = setsOf(filter(rule("rarp", match("arpsrcmacaddr", "$X"))), {
      X: ["52:54:00:00:00:01"],
    });
    const ip = setsOf(filter(rule("rarp", match("arpsrcipaddr", "$X"))), { X: ["10.0.0.2"] });
    expect(mac.map(({ name }) => name)).not.toEqual(ip.map(({ name }) => name));
  });
});

describe("a nic passes nothing", () => {
  const chainsOf = (...given: Parameters<typeof tablesOf>) => {
    const [, bridge] = tablesOf(...given);
    const maps = bridge?.sets.filter(({ name }) => /^filter_(from|to)$/.test(name)) ?? [];
    return maps.flatMap(({ elements }) => elements.map(({ data }) => data));
  };
  const closed = { kind: "goto", chain: "unfiltered" };

  it("whose binding lacks a value", () => {
    expect(chainsOf(ports, [{ IP: ["10.0.0.2"] }])).toEqual([closed, closed]);
  });

  it("whose values would make more rules than anybody needs", () => {
    const iterated = (attribute: string, name: string, iterator: number): FilterMatch => ({
      attribute,
      isNegated: false,
      value: { kind: "variable", name, iterator },
      at,
    });
    const hex = (byte: number) => byte.toString(16).padStart(2, "0");
    const M = Array.from({ length: 2000 }, (_, i) => `52:54:00:00:${hex(i >> 8)}:${hex(i & 255)}`);
    const classes = Array.from({ length: 64 }, (_, i) => String(i));
    const manifold = filter(
      rule(
        "ip",
        iterated("dscp", "D", 1),
        iterated("srcmacaddr", "M", 2),
        match("srcmacmask", "ff:ff:ff:ff:ff:00"),
      ),
    );
    expect(chainsOf(manifold, [{ D: classes, M }])).toEqual([closed, closed]);
    expect(chainsOf(manifold, [{ D: ["1"], M: M.slice(0, 1000) }])).not.toContainEqual(closed);
  });
});

it("a chain stands where the rules of its direction put it, whatever those of the other say", () => {
  const inChain = (name: string, priority: number, more: Partial<FilterRule>): Filter => ({
    name,
    chain: "ipv4",
    priority,
    entries: [{ ...rule("ip"), ...more }],
    at,
  });
  const refer = (name: string) =>
    ({ kind: "reference", filter: name, parameters: new Map(), at }) as const;
  const filters = [
    filter(rule("mac"), refer("early"), refer("late")),
    inChain("early", -700, { direction: "in", priority: 100 }),
    inChain("late", 700, { direction: "out", priority: 600 }),
  ];
  const [, bridge] = tablesOf(filters, [{}]);
  const place = (chain: string) => {
    const rules = bridge?.chains.find(({ name }) => name === chain)?.rules ?? [];
    const last = rules.map(({ statements }) => statements.at(-1)?.kind);
    return last.filter((kind) => kind === "jump" || kind === "accept");
  };
  expect(place("to/f")).toEqual(["jump", "accept"]);
  expect(place("from/f")).toEqual(["accept", "jump"]);
});

describe("nics whose addresses are learned", () => {
  const learns = filter(rule("ip", match("srcipaddr", "$IP")));
  const dhcp = { CTRL_IP_LEARNING: ["dhcp"] };
  const listed = { ...dhcp, DHCPSERVER: ["10.0.0.1"] };

  /** Of each nic, whether the chain that frames to it come by asks for the server's address. */
  const asksForServer = (...given: (typeof dhcp)[]) => {
    const [, bridge] = tablesOf(learns, given);
    const chains = new Map(bridge?.chains.map(({ name, rules }) => [name, JSON.stringify(rules)]));
    const dispatch = bridge?.sets.find(({ name }) => name === "filter_to");
    return dispatch?.elements.map(({ data }) =>
      data?.kind === "goto" ? chains.get(data.chain)?.includes("DHCPSERVER") : undefined,
    );
  };

  it("have chains of their own where servers are listed, in whatever order they come", () => {
    expect(asksForServer(dhcp, listed)).toEqual([false, true]);
    expect(asksForServer(listed, dhcp)).toEqual([true, false]);
  });

  /** The chains of learning that what one nic sends may come to. */
  const ways = (definition: Filter, mode: string) => {
    const [, bridge] = tablesOf(definition, [{ CTRL_IP_LEARNING: [mode] }]);
    const from = bridge?.chains.filter(({ name }) => name.startsWith("from/"));
    return [...JSON.stringify(from).matchAll(/"(learn_\w+)"/g)]
      .map(([, name = ""]) => name)
      .toSorted();
  };

  it("give an address back with dhcp only, or a guest would take one after the other", () => {
    expect(ways(learns, "any")).toEqual(["learn_arp", "learn_ip"]);
    expect(ways(learns, "dhcp")).toEqual(["learn_release"]);
  });

  it("are elements and nothing else, one more or one with another way to learn", () => {
    const few = tablesOf(learns, [{}, dhcp]);
    const scripts = [
      [{}, dhcp, {}],
      [dhcp, {}],
      [{}, dhcp, dhcp],
    ].map((given) => diffTables(few, tablesOf(learns, given)));
    for (const script of scripts) {
      expect(script).not.toMatch(rulesAndChains);
      expect(script).toContain("learners");
    }
  });

  it("keep what was learned while their filter cannot be enforced", () => {
    const broken = filter(rule("ip", match("srcipaddr", "$IP"), match("dstipaddr", "$MISSING")));
    const script = diffTables(tablesOf(learns, [dhcp]), tablesOf(broken, [dhcp]));
    expect(script).toContain("goto unfiltered");
    expect(script).not.toMatch(/delete set .* (learned|locked)/);
  });

  it("take no address by their own word that is the host's or another nic's", () => {
    const given = [{}, { IP: ["10.0.0.9"] }];
    const leases = [sample.lease(1, "10.0.0.2", "br-lan")];
    const [, bridge] = tablesOf(learns, given, { leases });
    const elements = (name: string) =>
      bridge?.sets.find((set) => set.name === name)?.elements.map(({ key }) => key);
    const gateway = 0x0a140001;
    expect(elements("vouched4")).toEqual(
      [0x0a000002, 0x0a000009, gateway].map((bits) => value(bits)),
    );
    expect(elements("vouched4_own")).toEqual([concat(value("vnet1"), value(0x0a000002))]);
  });

  it("have no address of IPv6 but the link-local one by their own word with dhcp", () => {
    const learns6 = filter(rule("ipv6", match("srcipaddr", "$IPV6")));
    expect(ways(learns6, "any")).toEqual(["learn_ip6"]);
    expect(ways(learns6, "dhcp")).toEqual(["learn_link6"]);
  });
});

describe("ARP that is gratuitous", () => {
  const gratuitous = match("gratuitous", "true");
  const setsOf = (...matches: FilterMatch[]) => {
    const [, bridge] = tablesOf(filter(rule("arp", gratuitous, ...matches)), [
      { IP: ["10.0.0.2", "10.0.0.3"] },
    ]);
    return bridge?.sets.filter(({ name }) => name.startsWith("var/"));
  };

  it("has the address that a rule names on both sides", () => {
    const both = ["10.0.0.2", "10.0.0.3"].map((ip) => ({
      key: concat(value("vnet1"), value(ip), value(ip)),
    }));
    for (const end of ["arpsrcipaddr", "arpdstipaddr"]) {
      expect(setsOf(match(end, "$IP"))).toEqual([expect.objectContaining({ elements: both })]);
    }
  });

  it("cannot be told where the rule names none", () => {
    const masked = [match("arpsrcipaddr", "$IP"), match("arpsrcipmask", "24")];
    expect([setsOf(), setsOf(...masked)]).toEqual([[], []]);
  });
});

describe("tagged frames ahead of rules of packets", () => {
  const guards = (...entries: FilterRule[]) => {
    const [, bridge] = tablesOf(filter(rule("tcp", match("dstportstart", "22")), ...entries), [{}]);
    const packets = bridge?.chains.find(({ name }) => name === "from/f/packets");
    return ["8021q", "8021ad"].filter((type) => JSON.stringify(packets).includes(type));
  };

  it("are refused, but for the types that the filter names", () => {
    expect(guards()).toEqual(["8021q", "8021ad"]);
    expect(guards(rule("mac", match("protocolid", "ipv4")))).toEqual(["8021q", "8021ad"]);
    expect(guards(rule("vlan", match("vlanid", "5")))).toEqual(["8021ad"]);
    expect(guards(rule("mac", match("protocolid", "vlan")))).toEqual(["8021ad"]);
    expect(guards(rule("mac", match("protocolid", "34984")))).toEqual(["8021q"]);
  });
});

it("a set of addresses is an alias, and the nic passes nothing while there is none of that name", () => {
  const guest = sample.guest(1, "lan");
  const guests = new Map([
    [guest.name, sample.guestPolicy(guest.name, { filter: { name: "f", at } })],
  ]);
  const inventory = sample.inventory({
    networks: [sample.network("lan")],
    guests: [guest],
    filters: new Map([
      ["f", filter(rule("all", match("ipset", "peers"), match("ipsetflags", "src")))],
    ]),
  });
  const members = [sample.prefix("10.0.0.0/24")];
  const peers = new Map([["peers", { name: "peers", members, at }]]);
  const chains = [undefined, peers, undefined].map((aliases) => {
    const policy = sample.policy({ guests, ...(aliases && { aliases }) });
    const [, bridge] = compile(policy, inventory).tables;
    const elements = bridge?.sets.find(({ name }) => name === "filter_from")?.elements;
    return elements?.map(({ data }) => (data?.kind === "goto" ? data.chain : ""));
  });
  expect(chains).toEqual([["unfiltered"], ["from/f"], ["unfiltered"]]);
});

describe("connections above a limit", () => {
  const limited = filter(
    rule("tcp", match("dstportstart", "22"), match("connlimit-above", "$MAX")),
  );
  const tracked: BridgeFacts = { filtered: [], isTracked: true, canReject: false };
  const counting = (...limits: readonly string[]) => {
    const given = limits.map((MAX) => ({ MAX: [MAX] }));
    const [, bridge] = tablesOf(limited, given, { bridges: tracked });
    return (bridge?.sets ?? []).filter(({ name }) => name.startsWith("over/"));
  };

  it("are counted in a set for each limit, whatever the number of nics", () => {
    expect(counting("2", "2", "2")).toHaveLength(1);
    expect(counting("2", "3", "2")).toHaveLength(2);
  });

  it("are no drift as the kernel counts them", () => {
    const wanted = tablesOf(limited, [{ MAX: ["2"] }], { bridges: tracked });
    const counted = wanted.map((table) => ({
      ...table,
      sets: table.sets.map((set) =>
        set.name.startsWith("over/") ? { ...set, elements: [{ key: value("9 . 7") }] } : set,
      ),
    }));
    expect(diffTables(counted, wanted)).toBe("");
  });

  it("cannot be told where the bridge does not track: the nic passes nothing", () => {
    const stamps: BridgeFacts = { filtered: [4, 6], isTracked: false, canReject: false };
    const [, bridge] = tablesOf(limited, [{ MAX: ["2"] }], { bridges: stamps });
    const led = bridge?.sets.find(({ name }) => name === "filter_to")?.elements;
    expect(led?.map(({ data }) => data)).toEqual([{ kind: "goto", chain: "unfiltered" }]);
  });
});
