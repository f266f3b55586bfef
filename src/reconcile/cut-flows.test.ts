import { beforeEach, describe, expect, it } from "vitest";
import { compile } from "../compile/compile.ts";
import {
  address,
  device,
  guest,
  inventory,
  lease,
  network,
  prefix,
  uplink,
} from "../compile/sample.fake.ts";
import type { Flow } from "../model/flow.ts";
import type { Inventory } from "../model/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { FakeFlows } from "../ports/flows.fake.ts";
import { cutFlows, formerOf, planCut, type Former } from "./cut-flows.ts";
import type { Desired } from "./decide.ts";

const subnet = (third: number) => ({
  prefix: prefix(`10.${third}.0.0/24`),
  gateway: address(`10.${third}.0.1`),
});

/** g1 and g2 behind NAT, g3 routed, g4 isolated. */
const everybody: Partial<Inventory> = {
  networks: [
    network("front", { forward: "open", subnets: [subnet(20)] }),
    network("dmz", { forward: "open", subnets: [subnet(21)] }),
    network("inner", { forward: "open", subnets: [subnet(22)] }),
  ],
  guests: [guest(1, "front"), guest(2, "front"), guest(3, "dmz"), guest(4, "inner")],
  leases: [
    lease(1, "10.20.0.11", "br-front"),
    lease(2, "10.20.0.12", "br-front"),
    lease(3, "10.21.0.13", "br-dmz"),
    lease(4, "10.22.0.14", "br-inner"),
  ],
  host: { interfaces: [uplink] },
};

const modes =
  "networks: { front: { mode: nat }, dmz: { mode: route, reach: [front] }, inner: { mode: isolated } }\n";

function desired(text: string, changes: Partial<Inventory> = {}): Desired {
  const { policy } = parsePolicy([{ file: "policy.yaml", text }]);
  const now = inventory({ ...everybody, ...changes });
  return { policy, inventory: now, compiled: compile(policy, now) };
}

const withGuests = (guests: string, more = "") => desired(`${modes}${more}guests: { ${guests} }\n`);

let flows: FakeFlows;

beforeEach(() => {
  flows = new FakeFlows();
});

/** `tcp SOURCE > DESTINATION:PORT`, and `> ANSWERER:PORT` where that is another. */
function flow(text: string, isAnswered = true): Flow {
  const [protocol, source, , asked = "", , answering = asked] = text.split(" ");
  const ends = [asked, answering].map((end) => {
    const colon = end.lastIndexOf(":");
    return { address: address(end.slice(0, colon)), port: Number(end.slice(colon + 1)) };
  });
  const [destination, answerer] = ends;
  if (!destination || !answerer) throw new Error(text);
  return {
    key: text,
    protocol: protocol as Flow["protocol"],
    source: address(source ?? ""),
    destination: destination.address,
    port: destination.port,
    answerer: answerer.address,
    answererPort: answerer.port,
    isAnswered,
  };
}

/** Goes from one to the other while these flows run; gives the words, and leaves in `flows` what goes on. */
async function change(
  before: Former,
  after: Desired,
  running: readonly (string | Flow)[],
): Promise<readonly string[]> {
  flows.flows = running.map((each) => (typeof each === "string" ? flow(each) : each));
  const plan = planCut(before, after);
  return plan === undefined ? [] : cutFlows(flows, plan);
}

const left = () => flows.flows.map(({ key }) => key);

const web = "tcp 192.0.2.7 > 198.51.100.1:8080 > 10.20.0.11:80";
const neighbour = "tcp 192.0.2.7 > 198.51.100.1:8081 > 10.20.0.12:80";
const own = "tcp 10.20.0.11 > 192.0.2.1:443";
const g1 = 'g1: { publish: [{ ports: ["tcp/8080:80", udp/5000-5009] }] }';
const g2 = 'g2: { publish: [{ ports: ["tcp/8081:80"] }] }';
const both = withGuests(`${g1}, ${g2}`);

describe("a publication", () => {
  it("that is removed takes its own flows along", async () => {
    const range = "udp 192.0.2.7 > 198.51.100.1:5004 > 10.20.0.11:5004";
    const cut = await change(both, withGuests(g2), [web, range, neighbour, own]);
    expect(cut).toEqual(["cut 1 flow of g1 tcp/8080", "cut 1 flow of g1 udp/5000-5009"]);
    expect(left()).toEqual([neighbour, own]);
  });

  it("that others rewrite alike is not taken for ours", async () => {
    const foreign = "tcp 192.0.2.7 > 203.0.113.9:8080 > 10.20.0.11:80";
    const elsewhere = "tcp 192.0.2.7 > 198.51.100.1:8080 > 10.20.0.11:81";
    expect(await change(both, withGuests(g2), [foreign, elsewhere])).toEqual([]);
  });

  it("that is written in another place or another way cuts nothing, and nothing is listed", async () => {
    const same = desired(`${modes}\n\nguests:\n  ${g2}\n  ${g1}\n`);
    await change(both, same, [web, neighbour]);
    expect(flows.listings).toBe(0);
  });

  it("that begins cuts nothing but datagrams which nobody has answered", async () => {
    const stale = flow("udp 192.0.2.7 > 198.51.100.1:5004", false);
    const host = flow("udp 192.0.2.8 > 198.51.100.1:5004");
    const login = "tcp 192.0.2.7 > 198.51.100.1:8080";
    await change(withGuests(g2), both, [stale, host, login, neighbour]);
    expect(left()).toEqual([host.key, login, neighbour]);
  });

  it("over TCP that begins needs no look at the flows", async () => {
    await change(withGuests(g1), both, [web]);
    expect(flows.listings).toBe(0);
  });

  it("follows a guest to another address without its old flows", async () => {
    const leases = [lease(1, "10.20.0.99", "br-front"), ...(everybody.leases ?? []).slice(1)];
    const moved = desired(`${modes}guests: { ${g1}, ${g2} }\n`, { leases });
    expect(await change(both, moved, [web, neighbour, own])).toEqual(["cut 1 flow of g1 tcp/8080"]);
    expect(left()).toEqual([neighbour, own]);
  });

  it.each([
    ["from: [192.0.2.0/24]", ["192.0.2.7"]],
    ["from: [192.0.2.8]", []],
    ["from: [friends]", ["203.0.113.5"]],
    ['from: ["group:inside"]', ["10.21.0.13"]],
    ["from: [host]", ["198.51.100.1"]],
    ["from: [any]", ["192.0.2.7", "203.0.113.5", "10.21.0.13", "198.51.100.1"]],
  ])("with %s goes on for these sources: %j", async (from, sources) => {
    const more = "aliases: { friends: [203.0.113.0/24] }\ngroups: { inside: {} }\n";
    const guests = (narrow: string) =>
      `g1: { publish: [{ ports: ["tcp/8080:80"], ${narrow} }] }, g3: { groups: [inside] }`;
    const everywhere = ["192.0.2.7", "203.0.113.5", "10.21.0.13", "198.51.100.1"];
    const running = everywhere.map((source) => `tcp ${source} > 198.51.100.1:8080 > 10.20.0.11:80`);
    await change(withGuests(guests("from: []"), more), withGuests(guests(from), more), running);
    expect(flows.flows.map(({ source }) => source)).toEqual(sources);
  });

  it("is known from the kernel's tables where an earlier process left it", async () => {
    const range = "udp 192.0.2.7 > 198.51.100.1:5004 > 10.20.0.11:5004";
    const former = formerOf(both.compiled.tables);
    expect(await change(former, withGuests(g2), [web, range, neighbour, own])).toHaveLength(2);
    expect(left()).toEqual([neighbour, own]);
    await change(former, both, [web]);
    expect(flows.listings).toBe(1);
  });
});

describe("a guest", () => {
  const without = (...numbers: readonly number[]): Partial<Inventory> => ({
    guests: (everybody.guests ?? []).filter(({ name }) => !numbers.includes(Number(name.slice(1)))),
  });
  const stopped = desired(`${modes}guests: { ${g1}, ${g2} }\n`, without(1));

  it("that stops takes all its flows along", async () => {
    const dns = "udp 10.20.0.11 > 10.20.0.1:53";
    const cut = await change(both, stopped, [
      web,
      own,
      dns,
      neighbour,
      "tcp 10.20.0.12 > 192.0.2.1:443",
    ]);
    expect(cut).toEqual(["cut 1 flow of g1 tcp/8080", "cut 2 flows of g1"]);
    expect(left()).toEqual([neighbour, "tcp 10.20.0.12 > 192.0.2.1:443"]);
  });

  it("whose address another one has now does not take the other's along", async () => {
    const taken = desired(modes, {
      ...without(1),
      leases: [lease(2, "10.20.0.11", "br-front")],
    });
    await change(withGuests(""), taken, [own]);
    expect(left()).toEqual([own]);
  });

  it("whose nic is moved to another network takes all its flows along, to whatever that lets out", async () => {
    const moved = (numbers: Partial<Inventory>) => [guest(1, "inner"), ...(numbers.guests ?? [])];
    const there = desired(modes, { guests: moved(without(1)) });
    await change(withGuests(""), there, [own, neighbour]);
    expect(left()).toEqual([neighbour]);
  });

  it("that has the same MAC address in two networks keeps its flows in both", async () => {
    const [front, inner] = [guest(1, "front"), guest(1, "inner")];
    const twice = { ...front, nics: [...front.nics, ...inner.nics] };
    const here = (changes: Partial<Inventory>) =>
      desired(modes, { guests: [twice, ...(changes.guests ?? [])] });
    await change(here(without(1)), here(without(1, 2)), [own, neighbour]);
    expect(left()).toEqual([own]);
  });

  it("whose network is away for a moment keeps its flows", async () => {
    const networks = (everybody.networks ?? []).filter(({ name }) => name !== "front");
    await change(withGuests(""), desired("{}", { networks }), [own]);
    expect(left()).toEqual([own]);
  });

  it("that starts, even in groups, can have begun nothing: no flows are listed", async () => {
    const text = `${modes}groups: { g: { egress: [{ deny: any }] } }\nguests: { g1: { groups: [g] } }\n`;
    await change(desired(text, without(1)), desired(text), [web, own, neighbour]);
    expect(flows.listings).toBe(0);
  });

  it("whose address is learnt late is held to its groups from then on", async () => {
    const text = `${modes}groups: { g: { egress: [{ deny: any }] } }\nguests: { g1: { groups: [g] } }\n`;
    await change(desired(text, { leases: [] }), desired(text), [own, neighbour]);
    expect(left()).toEqual([neighbour]);
  });

  it("of a bridge of the uplink may have moved to another host: its flows go on", async () => {
    const bridged = (changes: Partial<Inventory>) =>
      desired("{}", {
        ...everybody,
        networks: [network("front", { forward: "bridge", subnets: [] })],
        ...changes,
      });
    await change(bridged({}), bridged(without(1)), [own]);
    expect(left()).toEqual([own]);
  });
});

describe("groups", () => {
  const grouped = (rules: string, member = "g1") =>
    withGuests(`${member}: { groups: [g] }`, `groups: { g: { ${rules} }, inside: {} }\n`);
  const open = grouped("");
  const ssh = "tcp 10.21.0.13 > 10.20.0.11:22";
  const http = "tcp 10.21.0.13 > 10.20.0.11:80";
  const ping = "icmp 10.21.0.13 > 10.20.0.11:0";
  const all = [ssh, http, ping, own];

  it.each([
    ["ingress: [{ allow: tcp/80 }]", [ssh, ping]],
    ["ingress: [{ deny: tcp/22 }]", [ssh]],
    ["ingress: [{ deny: tcp/22, limit: 3/minute }]", []],
    ["ingress: [{ allow: tcp/22, limit: 3/minute }]", [http, ping]],
    ["ingress: [{ allow: tcp }]", [ping]],
    ["ingress: [{ allow: icmp }]", [ssh, http]],
    ["ingress: [{ allow: any, from: [10.21.0.0/24] }]", []],
    ["ingress: [{ allow: any, from: [192.0.2.0/24] }]", [ssh, http, ping]],
    ["ingress: [{ allow: any, from: [host] }]", [ssh, http, ping]],
    ["egress: [{ allow: tcp/80 }]", [own]],
    ["egress: [{ deny: any, to: [192.0.2.0/24] }]", [own]],
    ["egress: [{ deny: any, to: [any] }, { allow: any }]", [own]],
  ])("with %s", async (rules, gone) => {
    await change(open, grouped(rules), all);
    expect(all.filter((each) => !left().includes(each))).toEqual(gone);
  });

  it("that a guest leaves or joins count from then on", async () => {
    const rules = 'ingress: [{ allow: any, from: ["group:inside"] }]';
    const more = `groups: { g: { ${rules} }, inside: {} }\n`;
    const member = withGuests("g1: { groups: [g] }, g3: { groups: [inside] }", more);
    const nobody = withGuests("g1: { groups: [g] }", more);
    await change(member, nobody, all);
    expect(left()).toEqual([own]);
    await change(nobody, member, all);
    expect(left()).toEqual(all);
  });

  it("judge what comes through a publication by the guest's port", async () => {
    const published = (rules: string) =>
      withGuests(`g1: { groups: [g], ${g1.slice(6)}`, `groups: { g: { ${rules} } }\n`);
    await change(published(""), published("ingress: [{ allow: tcp/8080 }]"), [web]);
    expect(left()).toEqual([]);
    await change(published(""), published("ingress: [{ allow: tcp/80 }]"), [web]);
    expect(left()).toEqual([web]);
  });

  it("leave DHCP and the link's own traffic alone", async () => {
    const essential = ["udp 10.20.0.11 > 10.20.0.1:67", "udp 10.20.0.11 > 224.0.0.251:5353"];
    await change(open, grouped("egress: [{ deny: any }]"), essential);
    expect(left()).toEqual(essential);
  });
});

describe("networks", () => {
  const reach = "tcp 10.21.0.13 > 10.20.0.11:80";
  const same = "tcp 10.20.0.12 > 10.20.0.11:80";
  const routed = "tcp 192.0.2.7 > 10.21.0.13:80";
  const dns = "udp 10.20.0.11 > 10.20.0.1:53";
  const service = "tcp 10.20.0.11 > 10.20.0.1:8000";
  const fromHost = "tcp 10.20.0.1 > 10.20.0.11:80";
  const foreign = "tcp 192.0.2.7 > 192.0.2.8:80";
  const all = [own, reach, same, routed, dns, service, fromHost, foreign];
  const open =
    "networks: { front: { mode: nat, services: [tcp/8000] }, dmz: { mode: route, reach: [front] } }";

  it.each([
    ["nothing new", open, []],
    ["no reach", open.replace(", reach: [front]", ""), [reach]],
    ["isolate", open.replace("mode: nat", "mode: nat, isolate: true"), [same]],
    ["isolated", open.replace("mode: nat", "mode: isolated"), [own]],
    ["routed to NAT", open.replace("mode: route", "mode: nat"), [routed]],
    ["no services", open.replace(", services: [tcp/8000]", ""), [service]],
  ])("with %s", async (_change, text, gone) => {
    await change(desired(open), desired(text), all);
    expect(all.filter((each) => !left().includes(each))).toEqual(gone);
  });

  it.each([
    ["another guests' bridge", "br-dmz", [own]],
    ["an interface of the world", "wan0", []],
  ])("that meet the world by %s alone", async (_what, by, gone) => {
    const [, ...others] = everybody.networks ?? [];
    const confined = { forward: "nat", forwardDevices: [by], subnets: [subnet(20)] } as const;
    const networks = [network("front", confined), ...others];
    const bridge = { ...uplink, name: device("br-dmz"), hasDefaultRoute: false };
    const interfaces = [bridge, { ...uplink, name: device("wan0") }];
    const host = { interfaces };
    await change(desired(open, { host }), desired(open, { host, networks }), [own]);
    expect([own].filter((each) => !left().includes(each))).toEqual(gone);
  });

  it("on whose bridge a new tap comes up list no flows", async () => {
    const interfaces = [uplink, { ...uplink, name: device("vnet9"), hasDefaultRoute: false }];
    await change(desired(open), desired(open, { host: { interfaces } }), all);
    expect(flows.listings).toBe(0);
  });
});

it("flows that cannot be listed are no reason to cut others", async () => {
  flows.failure = "the kernel broke off";
  const plan = planCut(both, withGuests(g2));
  if (plan === undefined) throw new Error("there is something to cut");
  await expect(cutFlows(flows, plan)).rejects.toThrow("the kernel broke off");
});
