import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWorld, type World } from "../../../lab/world.ts";
import type { IpBody } from "../../world/packet.ts";
import { bindOurs } from "./our-filter.ts";
import { guest, makeStage, neighbour, type Stage } from "./stage.ts";
import { stockSteps, type ToldStep } from "./stock-steps.ts";

/* Filters in stock that libvirt does not have, so that no oracle tells what they should do. */

const parameters = { IP: [guest.four], IPV6: [guest.six], GATEWAY_MAC: [neighbour.mac] };

let lab: World;
let stage: Stage;
beforeAll(async () => {
  lab = await startWorld();
  stage = await makeStage(lab);
});
afterAll(() => lab?.stop());

/** What is said of packets that come out elsewhere than without the filter; each text once. */
async function stopped(name: string, steps: readonly ToldStep[]): Promise<string[]> {
  await bindOurs(stage, undefined);
  const free = await stage.send(steps);
  await bindOurs(stage, { name, definitions: [], parameters });
  const filtered = await stage.send(steps);
  return [...new Set(steps.flatMap(({ what }, i) => (free[i] === filtered[i] ? [] : [what])))];
}

/** What no filter lets pass. */
const never = ["guest: another's MAC"];

const uncleanFour = [
  "guest: another's address, neighbour",
  "guest: another's address, host",
  "guest: another's address, world",
  "guest: another's MAC",
  "guest: probes",
  "guest: answers for another",
  "guest: answers with another's MAC",
  "guest: announces another",
  "guest: announces itself to one",
  "guest: RARP of another kind",
  "neighbour: hears another's announcement",
  "guest: another protocol",
  "guest: qemu's old announcement",
  "guest: BPDU",
  "guest: IPv4 behind a VLAN tag",
  "neighbour: another protocol to it",
  "neighbour: qemu's old announcement to it",
  "neighbour: BPDU to it",
  "neighbour: IPv4 behind a VLAN tag to it",
];

test.each([
  [
    "clean-traffic-ipv6",
    [
      ...uncleanFour,
      "guest: plays DHCP server",
      "guest: plays DHCPv6 server",
      "guest: ND: plays router",
    ],
  ],
  ["no-router-advertisement", [...never, "guest: ND: plays router"]],
  ["no-dhcp-server", [...never, "guest: plays DHCP server"]],
  ["no-dhcpv6-server", [...never, "guest: plays DHCPv6 server"]],
])("%s stops what it says, and nothing else", async (name, expected) => {
  expect((await stopped(name, stockSteps)).toSorted()).toEqual(expected.toSorted());
});

/** ICMPv6 behind a header of options for every router on the way (RFC 2710 section 3): a router alert, and padding. */
function behindOptions(source: string, type: number): IpBody {
  const payload = Buffer.from([58, 0, 5, 2, 0, 0, 1, 0, type, 0, 0, 0, 0, 0, 0, 0]);
  return { kind: "ip", source, destination: "ff02::16", protocol: 0, payload };
}

function fromGuest(what: string, body: IpBody): ToldStep {
  const packet = { from: guest.mac, to: "33:33:00:00:00:16", body };
  return { what, from: "guest", packet };
}

describe("IPv6 from a guest that may use its own addresses only", () => {
  const linkLocal = "fe80::5054:ff:fe00:2";

  test("tells which groups it hears, before it has an address and with the one on its link", async () => {
    const steps = [
      fromGuest("hears, without an address", behindOptions("::", 143)),
      fromGuest("hears", behindOptions(linkLocal, 143)),
      fromGuest("hears, in old words", behindOptions(linkLocal, 131)),
      fromGuest("hears no more", behindOptions(linkLocal, 132)),
      fromGuest("asks as another", behindOptions("fd09::66", 143)),
    ];
    expect(await stopped("no-ipv6-spoofing", steps)).toEqual(["asks as another"]);
  });

  test("does not play the router behind options either", async () => {
    const steps = [fromGuest("plays router", behindOptions(linkLocal, 134))];
    expect(await stopped("no-router-advertisement", steps)).toEqual(["plays router"]);
  });
});

test("of all that stands behind a VLAN's tag nothing passes clean traffic", async () => {
  const onBridge = stockSteps.filter(({ from }) => from === "guest" || from === "neighbour");
  // The kernel takes a tag of VLAN 0 off.
  const tags = [{ vlan: 7 }, { vlan: 0 }, { providerVlan: 0, vlan: 0 }];
  const tagged = onBridge.flatMap((step) =>
    tags.map((tag) => ({ ...step, packet: { ...step.packet, ...tag } })),
  );
  const passed = async () => {
    const places = await stage.send(tagged);
    return tagged.filter(({ from }, i) => {
      const there = places[i] ?? "";
      return from === "guest" ? there !== "" : there.includes("guest");
    });
  };
  await bindOurs(stage, undefined);
  expect((await passed()).length).toBeGreaterThan(150);
  for (const name of ["clean-traffic", "clean-traffic-ipv6", "clean-traffic-gateway"]) {
    await bindOurs(stage, { name, definitions: [], parameters });
    expect(await passed()).toEqual([]);
  }
});
