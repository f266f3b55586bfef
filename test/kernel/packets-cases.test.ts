import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  enforceCase,
  openPacketWorld,
  packetCases,
  packetLinesOf,
  type PacketWorld,
} from "../world/packet-world.ts";

/*
 * Each packets.txt, sent for real: on a host whose own firewall drops all that virtwall did not mark, with bridged frames hidden
 * from the inet chains and shown to them.
 */
describe.each(packetCases)("in the world of %s", (_, inventory, cases) => {
  let place: PacketWorld;
  beforeAll(async () => {
    place = await openPacketWorld(inventory);
  });
  afterAll(() => place?.world.close());

  describe.each(cases)("%s", (_name, caseFolder) => {
    test("packets that are to be blocked arrive where there is no ruleset", async () => {
      const { world, runner } = place;
      const lines = await packetLinesOf(caseFolder);
      await runner.listen(lines);
      await world.onHost(["nft", "flush", "ruleset"]);
      await world.setBridgeNetfilter(false);
      expect(await runner.runUnruled(lines)).toEqual([]);
    });

    test.each(["0", "1"] as const)(
      "packets meet their promise, bridge-nf-call-iptables=%s",
      async (value) => {
        const lines = await enforceCase(place, caseFolder, value);
        expect(await place.runner.run(lines)).toEqual(lines.map(({ text }) => text));
      },
    );
  });
});
