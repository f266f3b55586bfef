import { describe, expect, test } from "vitest";
import { compile } from "../compile/compile.ts";
import { address, guest, inventory, lease, network, prefix } from "../compile/sample.fake.ts";
import { parsePolicy } from "../parse/policy.ts";
import { formatFilterChange } from "./diff-filters.ts";
import { diffReach } from "./diff-reach.ts";
import { formatReachChange } from "./reach-change.ts";

const subnet = (third: number) => ({
  prefix: prefix(`10.${third}.0.0/24`),
  gateway: address(`10.${third}.0.1`),
});
const sixth = (third: number) => ({
  prefix: prefix(`fd00:${third}::/64`),
  gateway: address(`fd00:${third}::1`),
});

/** g1 and g2 in front, g3 in dmz, g4 in inner; IPv6 in front and dmz alone. */
const everybody = inventory({
  networks: [
    network("front", { forward: "open", subnets: [subnet(20), sixth(20)] }),
    network("dmz", { forward: "open", subnets: [subnet(21), sixth(21)] }),
    network("inner", { forward: "open", subnets: [subnet(22)] }),
  ],
  guests: [guest(1, "front"), guest(2, "front"), guest(3, "dmz"), guest(4, "inner")],
  leases: [
    lease(1, "10.20.0.11", "br-front"),
    lease(1, "fd00:20::11", "br-front"),
    lease(2, "10.20.0.12", "br-front"),
    lease(3, "10.21.0.13", "br-dmz"),
    lease(4, "10.22.0.14", "br-inner"),
  ],
});

function held(text: string) {
  const { policy, problems } = parsePolicy([{ file: "policy.yaml", text }]);
  expect(problems).toEqual([]);
  return { inventory: everybody, compiled: compile(policy, everybody) };
}

function diff(before: string, after: string): readonly string[] {
  const { flows, filters } = diffReach(held(before), held(after));
  return [...flows.map(formatReachChange), ...filters.map(formatFilterChange)];
}

const base =
  "networks: { front: { mode: nat }, dmz: { mode: route }, inner: { mode: isolated } }\n";

describe("the words for what opens and closes", () => {
  test.each<[string, string, string, readonly string[]]>([
    [
      "a publication",
      base,
      `${base}guests: { g1: { publish: [{ ports: "tcp/8080:80", address: 203.0.113.10 }] } }`,
      [
        "world, this host, guests of dmz, guests of front -> g1 tcp/80 (publication 203.0.113.10:8080) opens",
      ],
    ],
    [
      "a publication to other peers",
      `${base}guests: { g1: { publish: [{ ports: tcp/80, address: 203.0.113.10, from: 192.0.2.0/24 }] } }`,
      `${base}aliases: { admin: 198.51.100.7 }
guests: { g1: { publish: [{ ports: tcp/80, address: 203.0.113.10, from: admin }] } }`,
      [
        "198.51.100.7/32 (admin) -> g1 tcp/80 (publication 203.0.113.10:80) opens",
        "192.0.2.0/24 -> g1 tcp/80 (publication 203.0.113.10:80) closes",
      ],
    ],
    [
      "a range of which a part goes to another guest",
      `${base}guests: { g1: { publish: [{ ports: udp/5000-5009, from: 192.0.2.0/24, address: 203.0.113.10 }] } }`,
      `${base}guests: { g1: { publish: [{ ports: udp/5000-5004, from: 192.0.2.0/24, address: 203.0.113.10 }] },
  g2: { publish: [{ ports: "udp/5005-5009:6005-6009", from: 192.0.2.0/24, address: 203.0.113.10 }] } }`,
      [
        "192.0.2.0/24 -> g2 udp/6005-6009 (publication 203.0.113.10:5005-5009) opens",
        "192.0.2.0/24 -> g1 udp/5005-5009 (publication 203.0.113.10:5005-5009) closes",
      ],
    ],
    [
      "a network that is closed",
      base,
      base.replace("front: { mode: nat }", "front: { mode: isolated }"),
      ["guests of front -> world closes"],
    ],
    [
      "a routed network that is rewritten now",
      base,
      base.replace("dmz: { mode: route }", "dmz: { mode: nat }"),
      ["world -> guests of dmz closes"],
    ],
    [
      "isolate",
      base,
      base.replace("{ mode: nat }", "{ mode: nat, isolate: true }"),
      ["guests of front -> guests of front closes"],
    ],
    [
      "reach",
      base,
      base.replace("dmz: { mode: route }", "dmz: { mode: route, reach: [inner] }"),
      ["guests of dmz -> guests of inner opens"],
    ],
    [
      "a group that admits a group",
      `${base.replace("{ mode: nat }", "{ mode: nat, reach: [dmz] }")}groups: { app: {}, db: { ingress: [{ allow: tcp/22 }] } }
guests: { g1: { groups: app }, g3: { groups: db } }`,
      `${base.replace("{ mode: nat }", "{ mode: nat, reach: [dmz] }")}groups: { app: {}, db: { ingress: [{ allow: tcp/22 }, { allow: tcp/5432, from: group:app }] } }
guests: { g1: { groups: app }, g3: { groups: db } }`,
      ["group app -> group db tcp/5432 opens"],
    ],
    [
      "services of the host",
      base,
      base.replace("{ mode: isolated }", "{ mode: isolated, services: [tcp/3142, udp/123] }"),
      ["guests of inner -> this host tcp/3142, udp/123 opens"],
    ],
    [
      "the host's own input",
      base,
      `${base}host: { input: [{ allow: tcp/22, from: 198.51.100.0/24 }] }`,
      [
        "198.51.100.0/24 -> this host tcp/1-21, tcp/23-65535, udp, icmp, other protocols closes",
        "world -> this host closes",
      ],
    ],
    [
      "the host's own input by an interface without a default route",
      `${base}host: { input: [{ allow: tcp/22, on: eth0 }] }`,
      `${base}host: { input: [{ allow: tcp/22, on: eth0 }, { allow: tcp/80, on: eth1 }, { allow: udp/161, on: eth1, from: 192.0.2.0/24 }] }`,
      [
        "192.0.2.0/24 by eth1 -> this host tcp/80, udp/161 opens",
        "who comes by eth1 -> this host tcp/80 opens",
      ],
    ],
    [
      "a publication for everybody",
      base.replace("isolated", "nat"),
      `${base.replace("isolated", "nat")}guests: { g1: { publish: [{ ports: "tcp/8080:80", address: 203.0.113.10 }] } }`,
      ["everybody -> g1 tcp/80 (publication 203.0.113.10:8080) opens"],
    ],
    [
      "one family, in which the host has an address under the name too",
      base,
      `${base}groups: { quiet: { egress: [{ deny: any, to: "2001:db8::/32" }] } }
guests: { g1: { groups: quiet } }`,
      [
        "g1 -> 2001:db8::/32 closes",
        "g1 -> this host tcp/53, udp/53, udp/69, icmp over IPv6 closes",
      ],
    ],
    [
      "a filter",
      base,
      `${base}guests: { g2: { filter: clean-traffic } }`,
      ["filter of g2 52:54:00:00:00:02: none before, clean-traffic after"],
    ],
  ])("%s", (_, before, after, lines) => {
    expect(diff(before, after)).toEqual(lines);
  });

  test("what is written otherwise and means the same is no difference", () => {
    const before = `${base}aliases: { lan: [192.0.2.0/25, 192.0.2.128/25] }
groups: { web: { ingress: [{ allow: [tcp/80-81, tcp/82], from: lan }] } }
guests: { g3: { groups: web, publish: [{ ports: tcp/80-81 }] } }`;
    const after = `${base}groups: { site: { ingress: [{ allow: tcp/81-82, from: 192.0.2.0/24 }, { allow: tcp/80, from: 192.0.2.0/24 }] } }
guests: { g3: { groups: site, publish: [{ ports: [tcp/81, tcp/80] }] } }`;
    expect(diff(before, after)).toEqual([]);
  });
});

test("aliases with thousands of prefixes are compared, and those of one kind are named together", () => {
  const drops = Array.from({ length: 10_000 }, (_, i) => `45.${i >> 8}.${i & 255}.0/30`);
  const policy = (members: readonly string[]) => `${base}aliases: { drops: [${members.join(", ")}] }
guests: { g1: { publish: [{ ports: tcp/80, address: 203.0.113.10, from: drops }] } }`;
  expect(diff(policy(drops.slice(0, 9000)), policy(drops))).toEqual([
    "45.35.40.0/30 and 999 more (drops) -> g1 tcp/80 (publication 203.0.113.10:80) opens",
  ]);
}, 60_000);
