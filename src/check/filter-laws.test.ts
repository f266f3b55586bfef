import { describe, expect, test } from "vitest";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { enforceableRules } from "./enforceable-rules.ts";
import { filtersOnBridges } from "./filters-on-bridges.ts";
import { ofEachGuest } from "./of-each-guest.ts";
import { replacedStock } from "./replaced-stock.ts";
import { usedParameters } from "./used-parameters.ts";
import type { BridgeFacts, HostInterface } from "../model/inventory.ts";
import type { Law } from "./law.ts";

const mac = "52:54:00:00:00:01";
const bridged = `<interface type='bridge'><mac address='${mac}'/><source bridge='br0'/><target dev='vnet0'/></interface>`;

interface World {
  readonly policy?: string;
  readonly nic?: string;
  readonly own?: readonly string[];
  readonly interfaces?: readonly HostInterface[];
  readonly bridges?: BridgeFacts;
}

/** What the law says of one guest with one nic. */
function breaches(law: Law, world: World): string[] {
  const { policy = "{}", nic = bridged, own = [], interfaces = [], bridges } = world;
  const text = `<domain><name>web1</name><devices>${nic}</devices></domain>`;
  const ownFilters = own.map((filter, i) => ({ file: `${i}.xml`, text: filter }));
  const texts = { networks: [], guests: [{ file: "web1", text }], leases: [], ownFilters };
  const { inventory } = parseInventory(texts, interfaces);
  const host = { ...inventory.host, ...(bridges && { bridges }) };
  const written = parsePolicy([{ file: "p", text: policy }]);
  expect(written.problems).toEqual([]);
  return law(written.policy, { ...inventory, host }).map(
    ({ severity, code, at, message, hint }) =>
      `${at.file}:${at.line}:${at.column} ${severity} ${code} ${message} (${hint})`,
  );
}

const rule = (inside: string) =>
  `<filter name='own'>\n<rule action='drop' direction='in'>${inside}</rule></filter>`;

const aliases = "aliases: { peers: [10.0.0.0/24] }";

describe("a rule that cannot be enforced", () => {
  test.each([
    [
      "<arp gratuitous='true'/>",
      "'gratuitous' compares two fields of a frame",
      "name one of the two addresses, without a mask: arpsrcipaddr='$IP'",
    ],
    [
      "<all ipset='web' ipsetflags='src'/>",
      "nftables reads no ipsets, and policy has no alias 'web' in place of it",
      "give policy the addresses: aliases: { web: [...] }",
    ],
    [
      "<all ipsetflags='src,dst' ipset='peers'/>",
      "an alias holds addresses alone, no pairs of them and no ports",
      "write ipsetflags='src' or ipsetflags='dst'",
    ],
    [
      "<all ipset='$SET' ipsetflags='src'/>",
      "'ipset' must be written out",
      "write the name: ipset='NAME'",
    ],
  ])("%s is a warning at its attribute before any nic has it", (inside, reason, hint) => {
    const column = "<rule action='drop' direction='in'>".length + inside.indexOf(" ") + 2;
    expect(breaches(enforceableRules, { own: [rule(inside)], policy: aliases })).toEqual([
      `0.xml:2:${column} warning FILTER_NOT_ENFORCEABLE filter 'own' has a rule that cannot be enforced here: ${reason} (${hint})`,
    ]);
  });

  test("is said with the nic where one has it", () => {
    const policy = "guests: { web1: { filter: outer } }";
    const outer = "<filter name='outer'><filterref filter='own'/></filter>";
    const own = [rule("<arp gratuitous='true'/>"), outer];
    expect(breaches(enforceableRules, { own, policy })).toEqual([]);
  });

  test("may be one of states, which not every host knows of", () => {
    const own = [rule("<tcp state='NEW'/>")];
    const of = (bridges: BridgeFacts) => breaches(enforceableRules, { own, bridges });
    expect(of({ filtered: [4, 6] })).toEqual([]);
    expect(of({ filtered: [], isTracked: true })).toEqual([]);
    expect(of({ filtered: [4] })).toEqual([
      expect.stringContaining("0.xml:2:41 warning FILTER_NOT_ENFORCEABLE"),
    ]);
  });
});

describe("an own filter in place of one in stock", () => {
  const empty = "<filter name='no-ip-spoofing'/>";
  const said =
    "0.xml:1:1 warning REPLACES_STOCK_FILTER filter 'no-ip-spoofing' stands in place of the stock filter of that name, ";
  const hint = "(give it another name, and bind nics to that)";

  test("names the nics that have it by another one, and that an empty one lets everything pass", () => {
    const policy = "guests: { web1: { filter: clean-traffic } }";
    expect(breaches(replacedStock, { own: [empty], policy })).toEqual([
      `${said}for vnet0 of 'web1'; it has no rule, so it lets everything pass ${hint}`,
    ]);
  });

  test("is told of though no nic has it, and a copy is not", () => {
    const other = "<filter name='no-ip-spoofing'><rule action='drop' direction='in'/></filter>";
    expect(breaches(replacedStock, { own: [other] })).toEqual([
      `${said}which no nic has now ${hint}`,
    ]);
    const copy =
      "<filter name='allow-arp' chain='arp'><rule action='accept' direction='inout'/></filter>";
    expect(breaches(replacedStock, { own: [copy] })).toEqual([]);
  });
});

describe("a filter of a nic that is on no bridge", () => {
  const policy = "guests: { web1: { filter: clean-traffic } }";
  const interface_ = (type: string, inside: string) =>
    `<interface type='${type}'><mac address='${mac}'/>${inside}</interface>`;
  const tap = "<target dev='vnet0'/>";
  const link = (name: string, more: Partial<HostInterface> = {}) =>
    ({ name, addresses: [], hasDefaultRoute: false, ...more }) as HostInterface;

  test.each([
    [
      "direct",
      "<source dev='eth0' mode='bridge'/><target dev='macvtap0'/>",
      "a nic of type 'direct' is on no bridge",
    ],
    ["user", "", "a nic of type 'user' is on no bridge"],
    ["hostdev", "", "a nic of type 'hostdev' is on no bridge"],
    [
      "bridge",
      `<source bridge='ovs0'/><virtualport type='openvswitch'/>${tap}`,
      "Open vSwitch carries it",
    ],
  ])("is an error: %s %s", (type, inside, why) => {
    expect(
      breaches(ofEachGuest(filtersOnBridges), { policy, nic: interface_(type, inside) }),
    ).toEqual([
      `p:1:27 error FILTER_OFF_BRIDGE nic ${mac} of guest 'web1': nothing enforces filter 'clean-traffic': ${why} (name the filter under nics: MAC: of the nics on bridges, or give the nic a bridge)`,
    ]);
  });

  test("is looked for on the host where libvirt's XML does not say which bridge", () => {
    const nic = interface_("ethernet", tap);
    const of = (...interfaces: HostInterface[]) =>
      breaches(ofEachGuest(filtersOnBridges), { policy, nic, interfaces }).map(
        (text) => /clean-traffic': (.*) \(/.exec(text)?.[1],
      );
    const master = (name: string) => ({ master: name }) as Partial<HostInterface>;
    expect(of(link("vnet0"))).toEqual(["vnet0 is a port of no bridge"]);
    expect(of(link("vnet0", master("br0")), link("br0", { kind: "bridge" }))).toEqual([]);
    expect(of(link("vnet0", master("s")), link("s", { kind: "openvswitch" }))).toEqual([
      "vnet0 is a port of s, which is no bridge of the kernel's",
    ]);
    expect(of()).toEqual([]);
  });

  test("is not what a nic has that waits for its tap, or whose network starts anew", () => {
    const waiting = interface_("network", "<source network='default'/>");
    expect(breaches(ofEachGuest(filtersOnBridges), { policy, nic: waiting })).toEqual([]);
    expect(
      breaches(ofEachGuest(filtersOnBridges), { policy, interfaces: [link("vnet0")] }),
    ).toEqual([]);
  });
});

describe("parameters", () => {
  const policy = (filter: string, parameters: string) =>
    `guests: { web1: { filter: ${filter}, nics: { "${mac}": { parameters: ${parameters} } } } }`;
  const of = (filter: string, parameters: string, own: readonly string[] = []) =>
    breaches(usedParameters, { policy: policy(filter, parameters), own });

  test("that no rule of the filter asks for are a warning with the name that was meant", () => {
    expect(of("clean-traffic", "{ CTRL_IP_LERNING: none, IP: 10.0.0.1 }")).toEqual([
      "p:1:87 warning UNUSED_PARAMETERS filter 'clean-traffic' asks for no parameter 'CTRL_IP_LERNING' (did you mean 'CTRL_IP_LEARNING'?)",
    ]);
    expect(of("allow-arp", "{ UNUSED: [1] }")).toEqual([
      "p:1:83 warning UNUSED_PARAMETERS filter 'allow-arp' asks for no parameter 'UNUSED' (it asks for none)",
    ]);
  });

  test("are asked for by filters that it refers to as well, and reserved ones by all", () => {
    const own = [
      rule("<ip srcipaddr='$A' srcportstart='$B[@1]' protocol='tcp'/>"),
      "<filter name='outer'><filterref filter='own'/></filter>",
    ];
    const all = "{ A: 10.0.0.1, B: [1, 2], IP: 1.1.1.1, IPV6: '::1', DHCPSERVER: 1.1.1.1 }";
    expect(of("outer", all, own)).toEqual([]);
  });
});
