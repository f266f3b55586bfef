import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { byInventory, caseFolders } from "../world/case-folders.ts";
import { soundCase } from "../world/compile-case.ts";
import { loadRuleset, readHostFirewall } from "../world/host-firewall.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { parsePacketLines } from "../world/packet-lines.ts";
import { PacketRunner } from "../world/packet-runner.ts";
import { createWorld, type World } from "../world/world.ts";

const worlds = [...byInventory(caseFolders("packets.txt"))].map(([folder, cases]) => {
  return [basename(folder), folder, cases.map((one) => [one.name, one.folder] as const)] as const;
});

/*
 * Each packets.txt, sent for real: on a host whose own firewall drops all that virtwall did not mark, with bridged frames hidden
 * from the inet chains and shown to them.
 */
describe.each(worlds)("in the world of %s", (_, folder, cases) => {
  let world: World;
  let runner: PacketRunner;
  beforeAll(async () => {
    const spec = await readWorldSpec(folder);
    world = await createWorld(spec);
    runner = new PacketRunner(world, spec);
  });
  afterAll(() => world?.close());

  describe.each(cases)("%s", (_name, caseFolder) => {
    const linesOf = async () =>
      parsePacketLines(await readFile(join(caseFolder, "packets.txt"), "utf8"));

    test("packets that are to be blocked arrive where there is no ruleset", async () => {
      const lines = await linesOf();
      await runner.listen(lines);
      await world.onHost(["nft", "flush", "ruleset"]);
      await world.setBridgeNetfilter(false);
      expect(await runner.runUnruled(lines)).toEqual([]);
    });

    test.each(["0", "1"])(
      "packets meet their promise, bridge-nf-call-iptables=%s",
      async (value) => {
        const condition = `bridge-nf-call-iptables=${value}`;
        const lines = (await linesOf()).filter(
          (line) => line.condition === "always" || line.condition === condition,
        );
        await runner.listen(lines);
        const { tables, hairpinTaps } = await soundCase(caseFolder);
        await world.setHairpin(hairpinTaps);
        await loadRuleset(world, await readHostFirewall(caseFolder), tables);
        await world.setBridgeNetfilter(value === "1");
        expect(await runner.run(lines)).toEqual(lines.map(({ text }) => text));
      },
    );
  });
});
