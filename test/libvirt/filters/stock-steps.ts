import { broadcastMac } from "../../world/frame.ts";
import { type ArpBody, type IpBody, type Packet, protocolNumber } from "../../world/packet.ts";
import { guest, host, ipStep, neighbour, type Place, type Step } from "./stage.ts";

/* What guests, honest and not, send and are sent, as far as a stock filter has an opinion of it. */

export interface ToldStep extends Step {
  readonly what: string;
}

const { tcp, udp, icmp, icmpv6 } = protocolNumber;

const places: readonly Place[] = ["neighbour", "host", "world"];
const forged = { mac: "52:54:00:00:00:66", four: "10.9.0.66", six: "fd09::66" };

/** EUI-64 of the MACs. */
const linkLocal = { guest: "fe80::5054:ff:fe00:2", neighbour: "fe80::5054:ff:fe00:3" };

const told = (what: string, step: Step): ToldStep => ({ ...step, what });

function plain(): ToldStep[] {
  return (["four", "six"] as const).flatMap((family) =>
    places.flatMap((place) =>
      [tcp, udp, family === "four" ? icmp : icmpv6].flatMap((protocol) => [
        told(`own address, ${place}`, ipStep("guest", place, { protocol, family })),
        told(`from ${place}`, ipStep(place, "guest", { protocol, family })),
      ]),
    ),
  );
}

function spoofed(): ToldStep[] {
  const steps = (["four", "six"] as const).flatMap((family) =>
    places.map((place) => {
      const { from, packet } = ipStep("guest", place, { protocol: udp, family });
      const body = { ...(packet.body as IpBody), source: forged[family] };
      return told(`another's address, ${place}`, { from, packet: { ...packet, body } });
    }),
  );
  const whole = ipStep("guest", "neighbour", { protocol: udp });
  const forgedMac = { ...whole, packet: { ...whole.packet, from: forged.mac } };
  return [...steps, told("another's MAC", forgedMac)];
}

const onLink = (
  from: "guest" | "neighbour",
  body: Packet["body"],
  to: string = from === "guest" ? neighbour.mac : guest.mac,
): Step => ({
  from,
  packet: { from: from === "guest" ? guest.mac : neighbour.mac, to, body },
});

const nobody = "00:00:00:00:00:00";

function arpOf(place: typeof guest, target: string, change: Partial<ArpBody> = {}): ArpBody {
  return {
    kind: "arp",
    sourceMac: place.mac,
    source: place.four,
    targetMac: nobody,
    target,
    ...change,
  };
}

function arp(): ToldStep[] {
  const ask = arpOf(guest, neighbour.four);
  const answer = { operation: 2, targetMac: neighbour.mac };
  return [
    told("asks", onLink("guest", ask, broadcastMac)),
    told("probes", onLink("guest", { ...ask, source: "0.0.0.0" }, broadcastMac)),
    told("announces", onLink("guest", arpOf(guest, guest.four), broadcastMac)),
    told("answers", onLink("guest", { ...ask, ...answer })),
    told("answers for another", onLink("guest", { ...ask, ...answer, source: forged.four })),
    told(
      "answers with another's MAC",
      onLink("guest", { ...ask, ...answer, sourceMac: forged.mac }),
    ),
    told("is asked", onLink("neighbour", arpOf(neighbour, guest.four), broadcastMac)),
    told(
      "is answered",
      onLink("neighbour", arpOf(neighbour, guest.four, { operation: 2, targetMac: guest.mac })),
    ),
  ];
}

function announcements(): ToldStep[] {
  const self: ArpBody = {
    kind: "rarp",
    operation: 3,
    sourceMac: guest.mac,
    source: "0.0.0.0",
    targetMac: guest.mac,
    target: "0.0.0.0",
  };
  const other = { ...self, sourceMac: forged.mac };
  return [
    told("announces itself after migration", onLink("guest", self, broadcastMac)),
    told("announces another", onLink("guest", other, broadcastMac)),
    told("announces itself to one", onLink("guest", self)),
    told("RARP of another kind", onLink("guest", { ...self, operation: 4 }, broadcastMac)),
    told("hears an announcement", onLink("neighbour", self, broadcastMac)),
    told("hears another's announcement", onLink("neighbour", other, broadcastMac)),
  ];
}

function others(): ToldStep[] {
  return (["guest", "neighbour"] as const).flatMap((from) => {
    const name = from === "guest" ? "" : " to it";
    const there = from === "guest" ? "neighbour" : "guest";
    const tagged = ipStep(from, there, { protocol: udp });
    const inTag = { ...tagged, packet: { ...tagged.packet, vlan: 5 } };
    return [
      told(`another protocol${name}`, onLink(from, { kind: "other", type: 0x88b5 })),
      told(`qemu's old announcement${name}`, onLink(from, { kind: "other", type: 0x0835 })),
      told(`BPDU${name}`, onLink(from, { kind: "stp" }, "01:80:c2:00:00:00")),
      told(`IPv4 behind a VLAN tag${name}`, inTag),
    ];
  });
}

const datagram = (
  ends: Pick<IpBody, "source" | "destination">,
  ports: [number, number],
): IpBody => ({
  kind: "ip",
  ...ends,
  protocol: udp,
  sourcePort: ports[0],
  destinationPort: ports[1],
});

function dhcp(): ToldStep[] {
  const discover = datagram({ source: "0.0.0.0", destination: "255.255.255.255" }, [68, 67]);
  const renew = datagram({ source: guest.four, destination: host.four }, [68, 67]);
  const offer = datagram({ source: neighbour.four, destination: guest.four }, [67, 68]);
  const strange = { ...offer, source: "10.9.0.66" };
  const rogue = datagram({ source: guest.four, destination: neighbour.four }, [67, 68]);
  const solicit = datagram({ source: linkLocal.guest, destination: "ff02::1:2" }, [546, 547]);
  const advertise = datagram(
    { source: linkLocal.neighbour, destination: linkLocal.guest },
    [547, 546],
  );
  const rogue6 = datagram(
    { source: linkLocal.guest, destination: linkLocal.neighbour },
    [547, 546],
  );
  return [
    told("DHCP discover", onLink("guest", discover, broadcastMac)),
    told("DHCP renewal", onLink("guest", renew, host.mac)),
    told("DHCP offer", onLink("neighbour", offer)),
    told("DHCP offer of a stranger", onLink("neighbour", strange)),
    told("plays DHCP server", onLink("guest", rogue)),
    told("DHCPv6 solicit", onLink("guest", solicit, "33:33:00:01:00:02")),
    told("DHCPv6 advertise", onLink("neighbour", advertise)),
    told("plays DHCPv6 server", onLink("guest", rogue6)),
  ];
}

function multicast(): ToldStep[] {
  const [four, six] = ["01:00:5e:00:00:fb", "33:33:00:00:00:fb"];
  const mdns = datagram({ source: guest.four, destination: "224.0.0.251" }, [5353, 5353]);
  const mdns6 = datagram({ source: guest.six, destination: "ff02::fb" }, [5353, 5353]);
  return [
    told("IPv4 multicast", onLink("guest", mdns, four)),
    told("IPv6 multicast", onLink("guest", mdns6, six)),
    told("IPv4 multicast to it", onLink("neighbour", { ...mdns, source: neighbour.four }, four)),
    told("IPv6 multicast to it", onLink("neighbour", { ...mdns6, source: neighbour.six }, six)),
    told("IPv4 broadcast", onLink("guest", { ...mdns, destination: "10.9.0.255" }, broadcastMac)),
  ];
}

function neighbourDiscovery(): ToldStep[] {
  const message = (type: number, source: string, destination: string): IpBody => ({
    kind: "ip",
    source,
    destination,
    protocol: icmpv6,
    type,
    // Reserved, then the target; an advertisement of a router has a lifetime and so on there.
    payload: Buffer.concat([
      Buffer.alloc(4),
      Buffer.from("fd090000000000000000000000000002", "hex"),
    ]),
  });
  const all = "33:33:00:00:00:01";
  return [
    told(
      "ND: asks",
      onLink("guest", message(135, guest.six, "ff02::1:ff00:3"), "33:33:ff:00:00:03"),
    ),
    told(
      "ND: asks by its link-local address",
      onLink("guest", message(135, linkLocal.guest, "ff02::1:ff00:3"), "33:33:ff:00:00:03"),
    ),
    told("ND: probes", onLink("guest", message(135, "::", "ff02::1:ff00:2"), "33:33:ff:00:00:02")),
    told("ND: answers", onLink("guest", message(136, guest.six, neighbour.six))),
    told(
      "ND: seeks routers",
      onLink("guest", message(133, linkLocal.guest, "ff02::2"), "33:33:00:00:00:02"),
    ),
    told("ND: plays router", onLink("guest", message(134, linkLocal.guest, "ff02::1"), all)),
    told("ND: is asked", onLink("neighbour", message(135, neighbour.six, guest.six))),
    told("ND: is answered", onLink("neighbour", message(136, neighbour.six, guest.six))),
    told(
      "ND: hears a router",
      onLink("neighbour", message(134, linkLocal.neighbour, "ff02::1"), all),
    ),
  ];
}

export const stockSteps: readonly ToldStep[] = [
  ...plain(),
  ...spoofed(),
  ...arp(),
  ...announcements(),
  ...others(),
  ...dhcp(),
  ...multicast(),
  ...neighbourDiscovery(),
].map((step) => ({ ...step, what: `${step.from}: ${step.what}` }));
