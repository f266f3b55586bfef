import { describe, expect, test } from "vitest";
import { device, address, network, guest, inventory, mac } from "../compile/sample.fake.ts";
import type { Guest, HostInterface, Inventory } from "../model/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { check } from "./check.ts";

const nowhere = { file: "libvirt:guest/x.xml", line: 1, column: 1 };

function nicOn(bridge: string, last: number) {
  const tap = device(`vnet${last}`);
  return { mac: mac(`52:54:00:00:01:0${last}`), tap, bridge: device(bridge), at: nowhere };
}

function guestOn(name: string, ...bridges: readonly string[]): Guest {
  const nics = bridges.map((bridge, index) => nicOn(bridge, index + name.length));
  return { name, uuid: name, nics, at: nowhere };
}

const eth0: HostInterface = {
  name: device("eth0"),
  addresses: [],
  hasDefaultRoute: false,
  master: device("br-wan"),
};
const wan: HostInterface = {
  name: device("br-wan"),
  addresses: [],
  hasDefaultRoute: false,
  kind: "bridge",
};

const sound = inventory({
  networks: [network("lan", { forward: "isolated" })],
  guests: [guestOn("fw", "br-wan", "br-lan"), guest(1, "lan")],
  host: { interfaces: [eth0, wan] },
});

const topology = "topology: firewall-vm, firewallVm: { guest: fw, wan: br-wan }";
const soundText = `host: { ${topology}, input: [{ allow: tcp/22 }] }`;

function tell(text: string, actual: Inventory = sound): string[] {
  const { policy, problems } = parsePolicy([{ file: "policy.yaml", text }]);
  expect(problems).toEqual([]);
  return check(policy, actual).map(({ at, severity, code, hint }) => {
    const where = at.file === "policy.yaml" ? `${at.line}:${at.column}` : at.file;
    return `${where} ${severity} ${code} | ${hint ?? ""}`;
  });
}

test("a firewall guest with a nic on either side of it, and an input, break no law", () => {
  expect(tell(soundText)).toEqual([]);
});

describe("what this host would have to forward for is refused, with what to do instead", () => {
  test.each([
    [
      `host: { ${topology} }`,
      "1:9 error FIREWALL_VM_INPUT | input: [{ allow: tcp/22, from: [ADDRESSES] }]",
    ],
    [
      "host: { topology: firewall-vm, input: [{ allow: tcp/22 }] }",
      "1:9 error FIREWALL_VM_MISSING | firewallVm: { guest: NAME, wan: BRIDGE }",
    ],
    [
      "host: { firewallVm: { guest: fw, wan: br-wan } }",
      "1:9 error FIREWALL_VM_UNUSED | topology: firewall-vm",
    ],
    [
      `${soundText}\nguests: { g1: { publish: [{ ports: tcp/80 }] } }`,
      "2:27 error FIREWALL_VM_PUBLISH | publish it in 'fw'; what the host itself serves is opened by host.input",
    ],
    [
      `${soundText}\nnetworks: { lan: { mode: route } }`,
      "2:13 error FIREWALL_VM_ROUTES | remove it, and let 'fw' do it",
    ],
    [
      `${soundText}\nnetworks: { lan: { mode: isolated, reach: [far] }, far: { isolate: true } }`,
      "2:44 error FIREWALL_VM_ROUTES | remove it, and let 'fw' do it",
    ],
  ])("%s", (text, expected) => {
    expect(tell(text)).toContain(expected);
  });

  test("a guest's own word publishes nothing either", () => {
    const own = parsePolicy([
      { file: "libvirt:guest/g1.xml", text: "guests: { g1: { publish: [{ ports: tcp/80 }] } }" },
    ]).policy.guests.get("g1");
    const guests = sound.guests.map((each) =>
      each.name === "g1" && own !== undefined ? { ...each, own } : each,
    );
    expect(tell(soundText, { ...sound, guests })).toEqual([
      "libvirt:guest/g1.xml error FIREWALL_VM_PUBLISH | publish it in 'fw'; what the host itself serves is opened by host.input",
    ]);
  });
});

describe("what the topology names and is not there is told", () => {
  const withGuests = (...guests: readonly Guest[]) => ({ ...sound, guests });
  const withHost = (...interfaces: readonly HostInterface[]) => ({
    ...sound,
    host: { interfaces },
  });
  test.each<[string, Inventory, string]>([
    ["no bridge", withHost(eth0), "1:32 warning UNKNOWN_WAN | "],
    [
      "a bridge of almost that name",
      withHost({ ...wan, name: device("br-wan0") }),
      "1:32 warning UNKNOWN_WAN | did you mean 'br-wan0'?",
    ],
    [
      "an interface that is no bridge",
      withHost({ ...wan, kind: "veth" }),
      "1:32 error WAN_NO_BRIDGE | make br-wan the port of a bridge, and name that: virtwall topology plan",
    ],
    [
      "a bridge with an address of the host",
      withHost(eth0, { ...wan, addresses: [address("203.0.113.1")] }),
      "1:32 warning WAN_HAS_ADDRESS | virtwall topology plan shows how the host has its address elsewhere",
    ],
    ["no guest", withGuests(guest(1, "lan")), "1:32 warning FIREWALL_VM_ABSENT | virsh start fw"],
    [
      "a guest of almost that name",
      withGuests(guestOn("fw1", "br-wan", "br-lan")),
      "1:32 warning FIREWALL_VM_ABSENT | did you mean 'fw1'?",
    ],
    [
      "a guest with the inner nic alone",
      withGuests(guestOn("fw", "br-lan")),
      "1:32 warning FIREWALL_VM_NIC | virsh attach-interface fw bridge BRIDGE --model virtio --config --live",
    ],
    [
      "a guest with the outer nic alone",
      withGuests(guestOn("fw", "br-wan")),
      "1:32 warning FIREWALL_VM_NIC | virsh attach-interface fw bridge BRIDGE --model virtio --config --live",
    ],
    [
      "another guest's nic on the bridge of the WAN",
      withGuests(...sound.guests, guestOn("rogue", "br-wan")),
      "libvirt:guest/x.xml warning NIC_ON_WAN | put it on a bridge behind the firewall guest",
    ],
    [
      "a network that libvirt forwards for",
      { ...sound, networks: [network("lan", { at: nowhere })] },
      "libvirt:guest/x.xml warning NETWORK_FORWARDS | virsh net-edit lan: remove <forward>",
    ],
  ])("%s", (_what, actual, expected) => {
    expect(tell(soundText, actual)).toContain(expected);
  });

  test("of two that stand in for each other each is told of", () => {
    const text = soundText.replace("guest: fw", "guest: [fw, fw2]");
    const both = withGuests(...sound.guests, guestOn("fw2", "br-wan", "br-lan"));
    expect(tell(text, both)).toEqual([]);
    expect(tell(text)).toEqual(["1:32 warning FIREWALL_VM_ABSENT | did you mean 'fw'?"]);
  });

  test("what they share is nobody else's, nor everybody's", () => {
    const [other] = guest(1, "lan").nics;
    const withMacs = (mac: string) => soundText.replace("br-wan }", `br-wan, macs: "${mac}" }`);
    expect(tell(withMacs("00:00:5e:00:01:0a"))).toEqual([]);
    expect(tell(withMacs(String(other?.mac))).join()).toContain("warning FIREWALL_VM_MAC");
    expect(tell(withMacs("ff:ff:ff:ff:ff:ff")).join()).toContain("error FIREWALL_VM_MAC");
  });

  test("none of them at all is no firewall", () => {
    const text = soundText.replace("guest: fw", "guest: []");
    expect(tell(text).join()).toContain("error FIREWALL_VM_MISSING");
  });

  test("an address may be theirs together, and no other guest's", () => {
    const given = (name: string, last: number) =>
      `  ${name}: { nics: { "52:54:00:00:01:0${last}": { address: 10.20.0.1 } } }\n`;
    const pair = soundText.replace("guest: fw", "guest: [fw, fw2]");
    const both = withGuests(...sound.guests, guestOn("fw2", "br-wan", "br-lan"));
    const text = `${pair}\nguests:\n${given("fw", 3)}${given("fw2", 4)}`;
    expect(tell(text, both).join()).not.toContain("DUPLICATE_ADDRESS");
    const grouped = text.replace("fw2: { ", "fw2: { groups: [a], ");
    expect(tell(`groups: { a: {} }\n${grouped}`, both).join()).toContain("DUPLICATE_ADDRESS");
    expect(tell(`${text}${given("g1", 1)}`, both).join()).toContain("DUPLICATE_ADDRESS");
  });

  test("the interface that was meant is the bridge that it is a port of", () => {
    const text = soundText.replace("wan: br-wan", "wan: eth0");
    expect(tell(text)).toContain("1:32 error WAN_NO_BRIDGE | did you mean 'br-wan'?");
  });
});
