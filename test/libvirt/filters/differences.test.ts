import { afterAll, beforeAll, expect, test } from "vitest";
import { type Packet, protocolNumber } from "../../world/packet.ts";
import { type Oracle, startOracle } from "./oracle.ts";
import { compileFilter } from "./our-filter.ts";
import { ipStep, type Step } from "./stage.ts";

/*
 * Where virtwall means something else than libvirt by the same filter, each shown on both. Differences in single attributes stand
 * beside the attributes.
 */

const { udp, icmp } = protocolNumber;

interface Difference {
  readonly rules: string;
  /** More filters, ahead of the rules. */
  readonly parts?: readonly string[];
  /** Packet, and where it comes out with libvirt and with virtwall; nowhere is empty. */
  readonly packets: readonly (readonly [step: Step, libvirts: string, ours: string])[];
}

const web = { protocol: udp, sourcePort: 1024, destinationPort: 80 };
const fromWeb = { protocol: udp, sourcePort: 80, destinationPort: 1024 };
const ping = { protocol: icmp, type: 8 };

const asAnother: Step = (() => {
  const { from, packet } = ipStep("guest", "neighbour", web);
  return { from, packet: { ...packet, from: "52:54:00:00:00:66" } };
})();

const behind = (tags: Pick<Packet, "vlan" | "providerVlan">, { from, packet }: Step): Step => ({
  from,
  packet: { ...packet, ...tags },
});
/** The kernel takes a tag of VLAN 0 off, and knows two kinds of it. */
const tags = [{ vlan: 0 }, { vlan: 5 }, { providerVlan: 0 }, { providerVlan: 0, vlan: 0 }];

const differences: Readonly<Record<string, Difference>> = {
  "a filtered nic sends with its own MAC only, whatever the filter says": {
    rules: "<rule action='accept' direction='inout'/>",
    packets: [
      [asAnother, "neighbour", ""],
      [ipStep("guest", "neighbour", web), "neighbour", "neighbour"],
    ],
  },
  "rules for packets to the guest hold for those that the host sends or routes as well": {
    rules: "<rule action='drop' direction='in'><udp dstportstart='80'/></rule>",
    packets: [
      [ipStep("neighbour", "guest", web), "", ""],
      [ipStep("host", "guest", web), "guest", ""],
      [ipStep("world", "guest", web), "guest", ""],
      [ipStep("world", "guest", { ...web, destinationPort: 81 }), "guest", "guest"],
    ],
  },
  "a drop of packets holds in the direction that it names, and not for answers": {
    rules: "<rule action='drop' direction='out'><udp dstportstart='80'/></rule>",
    packets: [
      [ipStep("guest", "neighbour", web), "", ""],
      [ipStep("neighbour", "guest", fromWeb), "", "guest"],
    ],
  },
  "a type of ICMP in a rule for both directions is asked for in both": {
    rules: "<rule action='drop' direction='inout'><icmp type='8'/></rule>",
    packets: [
      [ipStep("guest", "neighbour", ping), "neighbour", ""],
      [ipStep("neighbour", "guest", ping), "guest", ""],
      [ipStep("guest", "neighbour", { protocol: icmp, type: 3 }), "neighbour", "neighbour"],
    ],
  },
  "rules of packets let no frame with a VLAN's tag pass": {
    rules: "<rule action='drop' direction='inout'><all/></rule>",
    packets: [
      [ipStep("guest", "neighbour", web), "", ""],
      ...tags.flatMap((tag): Difference["packets"] => [
        [behind(tag, ipStep("guest", "neighbour", web)), "neighbour", ""],
        [behind(tag, ipStep("neighbour", "guest", web)), "guest", ""],
      ]),
      [behind({ vlan: 0 }, ipStep("guest", "host", web)), "host", ""],
    ],
  },
  "a filter that has a rule about VLANs judges tagged frames by its rules about frames": {
    rules: `<rule action='drop' direction='inout'><all/></rule>
      <rule action='drop' direction='out'><vlan vlanid='6'/></rule>`,
    packets: [
      [behind({ vlan: 5 }, ipStep("guest", "neighbour", web)), "neighbour", "neighbour"],
      [behind({ vlan: 6 }, ipStep("guest", "neighbour", web)), "", ""],
      [behind({ providerVlan: 5 }, ipStep("guest", "neighbour", web)), "neighbour", ""],
    ],
  },
  "a chain that comes to no verdict leaves the frame to the rules after it": {
    parts: [
      `<filter name='no-mail' chain='ipv4'>
  <rule action='drop' direction='out'><ip protocol='tcp' dstportstart='25'/></rule>
</filter>`,
    ],
    rules: "<filterref filter='no-mail'/><rule action='drop' direction='inout' priority='900'/>",
    packets: [
      [ipStep("guest", "neighbour", web), "neighbour", ""],
      [ipStep("neighbour", "guest", web), "", ""],
    ],
  },
};

let oracle: Oracle;
beforeAll(async () => {
  oracle = await startOracle();
});
afterAll(() => oracle?.stop());

test.each(Object.entries(differences))("%s", async (_, { rules, parts = [], packets }) => {
  const definitions = [...parts, `<filter name='different' chain='root'>${rules}</filter>`];
  const filter = { name: "different", definitions };
  await oracle.bindLibvirts(filter);
  await oracle.bindOurs(filter);
  const steps = packets.map(([step]) => step);
  expect(await oracle.libvirts.send(steps)).toEqual(packets.map(([, libvirts]) => libvirts));
  expect(await oracle.ours.send(steps)).toEqual(packets.map(([, , ours]) => ours));
});

test("a limit of connections is refused where the kernel does not track them on bridges", () => {
  const rule = "<rule action='drop' direction='in'><tcp connlimit-above='2'/></rule>";
  const definitions = [`<filter name='limited' chain='root'>${rule}</filter>`];
  expect(() => compileFilter({ name: "limited", definitions })).toThrow(/FILTER_NOT_ENFORCEABLE/);
});
