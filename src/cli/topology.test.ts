import { describe, expect, test } from "vitest";
import { address, guest, inventory, lease, network, prefix } from "../compile/sample.fake.ts";
import { compile } from "../compile/compile.ts";
import { parsePolicy } from "../parse/policy.ts";
import { printMermaid } from "./print-mermaid.ts";
import { printSvg } from "./print-svg.ts";
import { printTopology } from "./print-topology.ts";
import { viewTopology, type GuestView, type Topology } from "./topology-view.ts";

function small(): Topology {
  const { policy } = parsePolicy([
    {
      file: "policy.yaml",
      text: `networks: { front: { mode: nat, reach: [inner], isolate: true }, inner: { mode: isolated } }
groups: { web: {} }
guests: { g1: { groups: web, filter: clean-traffic, publish: [{ ports: "tcp/8080:80", address: 203.0.113.10 }] } }`,
    },
  ]);
  const all = inventory({
    networks: ["front", "inner"].map((name, third) => {
      const [subnet, gateway] = [prefix(`10.${third}.0.0/24`), address(`10.${third}.0.1`)];
      return network(name, { forward: "open", subnets: [{ prefix: subnet, gateway }] });
    }),
    guests: [guest(1, "front"), guest(2, "inner")],
    leases: [lease(1, "10.0.0.11", "br-front")],
  });
  const integration = {
    mode: "auto" as const,
    firewalls: [{ name: "nftables", state: "passed" }],
    chains: [],
  };
  return viewTopology({ policy, inventory: all, compiled: compile(policy, all) }, integration);
}

test("the text names uplinks, networks with mode and prefix, guests, publications and other firewalls", () => {
  expect(printTopology(small())).toBe(`uplinks
  eth0  198.51.100.1, 2001:db8:1::1

network front, nat from the uplink's address, br-front, 10.0.0.0/24, guests kept apart, reaches inner
  g1  vnet1      10.0.0.11                 filter clean-traffic (CLOSED)  groups web
      published  203.0.113.10 tcp/8080:80

network inner, isolated, br-inner, 10.1.0.0/24
  g2  vnet2  no address

other firewalls
  nftables  passed
`);
});

test("the Mermaid chart has a box a guest, in rows, and the networks below each other", () => {
  expect(printMermaid(small())).toBe(`flowchart TB
  world(["world"])
  u0["eth0<br/>198.51.100.1<br/>2001:db8:1::1"]
  world --- u0
  subgraph n0["front"]
    direction LR
    n0about["nat from the uplink's address<br/>br-front<br/>10.0.0.0/24<br/>guests kept apart<br/>reaches inner"] ~~~ n0g0["g1<br/>vnet1 10.0.0.11<br/>filter clean-traffic (CLOSED)<br/>groups web<br/>published 203.0.113.10 tcp/8080:80"]
  end
  u0 --- n0
  n0 -. reaches .-> n1
  subgraph n1["inner"]
    direction LR
    n1about["isolated<br/>br-inner<br/>10.1.0.0/24"] ~~~ n1g0["g2<br/>vnet2 no address"]
  end
  n0 ~~~ n1
  f0["other firewall<br/>nftables<br/>passed"]
`);
});

const hostile = `</text><script>alert("1")</script>&amp; ]]> "; click n0 'x' \`b\` \u202E \u0007 \uFFFE 漢字`;

function guestNamed(name: string, publications = 0): GuestView {
  return {
    name,
    groups: ["web", name],
    nics: [
      {
        tap: "vnet1",
        mac: "52:54:00:00:00:01",
        addresses: ["10.0.0.11", "fd00::11"],
        filter: name,
      },
      { mac: "52:54:00:00:00:02", addresses: [] },
    ],
    publications: Array.from({ length: publications }, (_, i) => `203.0.113.10 tcp/${8000 + i}:80`),
  };
}

function large(guests: number, name: (index: number) => string): Topology {
  const networks = ["nat", "route", "isolated"].map((mode, index) => ({
    name: index === 0 ? name(0) : mode,
    mode,
    bridge: `virbr${index}`,
    prefixes: [`10.${index}.0.0/24`, `fd00:${index}::/64`],
    nat: "203.0.113.7",
    isIsolated: true,
    reach: ["nat", "route", "isolated", name(0)],
    guests: Array.from({ length: Math.ceil(guests / 3) }, (_, each) =>
      guestNamed(name(each), each % 9),
    ),
  }));
  const uplinks = [1, 2, 3].map((n) => ({ name: `eth${n}`, addresses: ["198.51.100.1"] }));
  const firewalls = Array.from({ length: 8 }, (_, n) => ({
    name: `ip filter ${n}`,
    state: "passed",
  }));
  return { uplinks, networks, elsewhere: [guestNamed("alone")], firewalls };
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const attribute = (tag: string, name: string) =>
  Number(new RegExp(` ${name}="([\\d.]+)"`).exec(tag)?.[1] ?? 0);

/** What an element covers; a text stands on its line, with a quarter of its size below. */
function boxesOf(svg: string, element: "rect" | "text"): Box[] {
  return [...svg.matchAll(new RegExp(`<${element}[^>]*>`, "g"))].map(([tag]) => {
    const [x, y] = [attribute(tag, "x"), attribute(tag, "y")];
    return element === "text"
      ? { x, y: y - 9, width: attribute(tag, "textLength"), height: 12 }
      : { x, y, width: attribute(tag, "width"), height: attribute(tag, "height") };
  });
}

const meet = (a: Box, b: Box) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const holds = (outer: Box, inner: Box) =>
  outer.x <= inner.x &&
  outer.y <= inner.y &&
  inner.x + inner.width <= outer.x + outer.width &&
  inner.y + inner.height <= outer.y + outer.height;

describe.each([
  ["3 guests", large(3, (index) => `web${index}`)],
  ["60 guests", large(60, (index) => `web${index}`)],
  [
    "60 guests with long and hostile names",
    large(60, (index) => `${hostile}${index}`.repeat((index % 4) + 1)),
  ],
  ["nobody", { uplinks: [], networks: [], elsewhere: [], firewalls: null }],
])("the SVG of %s", (_, topology) => {
  const svg = printSvg(topology);
  const [page, ...rects] = boxesOf(svg, "rect");
  const texts = boxesOf(svg, "text");

  test("has no two texts that meet, and all of them in boxes on the page", () => {
    for (const [index, text] of texts.entries()) {
      expect(texts.slice(index + 1).filter((other) => meet(text, other))).toEqual([]);
      expect(rects.filter((rect) => holds(rect, text))).not.toEqual([]);
      expect(rects.filter((rect) => meet(rect, text) && !holds(rect, text))).toEqual([]);
    }
    expect(rects.filter((rect) => !page || !holds(page, rect))).toEqual([]);
  });

  test("has no two boxes that meet unless one holds the other", () => {
    for (const [index, rect] of rects.entries()) {
      const others = rects.slice(index + 1).filter((other) => meet(rect, other));
      expect(others.filter((other) => !holds(rect, other) && !holds(other, rect))).toEqual([]);
    }
  });

  test("is made of no other element than its own", () => {
    const tags = new Set([...svg.matchAll(/<\/?([^\s>/]*)/g)].map(([, tag]) => tag));
    const known = ["svg", "style", "rect", "text", "title", "path"];
    expect([...tags].filter((tag) => !known.includes(tag ?? ""))).toEqual([]);
    expect(svg).not.toMatch(/[^\P{Cc}\n]|[\u202E\uFFFE]/u);
  });
});

/** The forms of lines that Mermaid 12.3 was seen to draw, labels left out. */
const box = String.raw`\w+\[""\]`;
const mermaidLine = new RegExp(
  `^(?:flowchart TB| {2}(?:world\\(\\[""\\]\\)|subgraph ${box}|end|\\w+ (?:---|~~~|-\\. reaches \\.->) \\w+)| {2,4}${box}(?: ~~~ ${box})*| {4}direction LR)$`,
);

test("a hostile name is nothing but a label in the Mermaid chart, and cannot move a terminal's cursor", () => {
  const chart = printMermaid(large(3, () => hostile));
  for (const line of chart.trimEnd().split("\n")) {
    expect(line.replaceAll(/"[^"]*"/g, '""')).toMatch(mermaidLine);
  }
  expect(chart).not.toMatch(/<(?!br\/>)|#(7|8238);|[^\P{Cc}\n]|[`\u202E]/u);
  expect(printTopology(large(3, () => hostile))).not.toMatch(/[^\P{Cc}\n]|\u202E/u);
});
