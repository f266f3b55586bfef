import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BoundFilter } from "./filter-driver.ts";
import { compare, differs, type Oracle, startOracle, verdictText } from "./oracle.ts";
import { guest, neighbour } from "./stage.ts";
import { stockSteps } from "./stock-steps.ts";

/** Where Debian's package puts libvirt's filters. */
const folder = "/etc/libvirt/nwfilter";
const files = readdirSync(folder).filter((name) => name.endsWith(".xml"));
const names = files.map((file) => file.replace(/\.xml$/, ""));

const parameters = {
  IP: [guest.four],
  IPV6: [guest.six],
  GATEWAY_MAC: [neighbour.mac],
  DHCPSERVER: [neighbour.four],
};

function boundStock(name: string): BoundFilter {
  // That filter's variable holds an address of the other family.
  const isSix = name === "allow-dhcpv6-server";
  const values = isSix ? { ...parameters, DHCPSERVER: ["fe80::5054:ff:fe00:3"] } : parameters;
  return { name, definitions: [], parameters: values };
}

/** Packets of which virtwall's own text of a filter says something else than libvirt 9.0's, and why. */
const differences: Readonly<Record<string, readonly string[]>> = {
  // As in libvirt 12: no qemu has sent this since 2010, and any guest could.
  "clean-traffic": ["guest: qemu's old announcement"],
  // Theirs lets any protocol pass to the gateway's MAC address and from it, and looks at sources of plain IPv4 only.
  "clean-traffic-gateway": [
    // TCP, UDP and ICMPv6 of IPv6.
    ...["tcp", "udp", "icmpv6"].flatMap(() => [
      "guest: own address, neighbour",
      "neighbour: from neighbour",
    ]),
    "guest: another's address, neighbour",
    "guest: another protocol",
    "guest: qemu's old announcement",
    "guest: IPv4 behind a VLAN tag",
    "neighbour: another protocol to it",
    "neighbour: qemu's old announcement to it",
    "neighbour: BPDU to it",
    "neighbour: IPv4 behind a VLAN tag to it",
    "neighbour: DHCPv6 advertise",
    "guest: plays DHCPv6 server",
    "neighbour: IPv6 multicast to it",
    "guest: ND: answers",
    "neighbour: ND: is asked",
    "neighbour: ND: is answered",
    "neighbour: ND: hears a router",
  ],
  // Without these a guest cannot find its neighbours, or whether its address is taken.
  "no-ipv6-spoofing": [
    "guest: ND: asks by its link-local address",
    "guest: ND: probes",
    "guest: ND: seeks routers",
  ],
};

let oracle: Oracle;
beforeAll(async () => {
  oracle = await startOracle();
});
afterAll(() => oracle?.stop());

describe.each(names)("%s", (name) => {
  const bound = boundStock(name);
  // The driver takes a second to bind: once for both tests.
  beforeAll(() => oracle.bindLibvirts(bound));

  test("as libvirt has written it, it does here what it does in libvirt", async () => {
    const definitions = files.map((file) => readFileSync(join(folder, file), "utf8"));
    await oracle.bindOurs({ ...bound, definitions });
    const verdicts = await compare(oracle, stockSteps);
    expect(verdicts.filter(differs).map(verdictText)).toEqual([]);
  });

  test("as virtwall brings it, it differs where it is said to, and nowhere else", async () => {
    await oracle.libvirts.forgetFlows();
    await oracle.bindOurs(bound);
    const verdicts = await compare(oracle, stockSteps);
    const different = stockSteps.filter((_, i) => verdicts.slice(i, i + 1).some(differs));
    expect(different.map(({ what }) => what)).toEqual(differences[name] ?? []);
  });
});
