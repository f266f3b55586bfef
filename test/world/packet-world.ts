import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { byInventory, caseFolders } from "./case-folders.ts";
import { soundCase } from "./compile-case.ts";
import { loadRuleset, readHostFirewall } from "./host-firewall.ts";
import { readWorldSpec } from "./inventory-world.ts";
import { parsePacketLines, type PacketLine } from "./packet-lines.ts";
import { PacketRunner } from "./packet-runner.ts";
import { createWorld, type World, type WorldSpec } from "./world.ts";

/** The hosts of an inventory, and who sends packets between them. */
export interface PacketWorld {
  readonly spec: WorldSpec;
  readonly world: World;
  readonly runner: PacketRunner;
}

export async function openPacketWorld(inventory: string): Promise<PacketWorld> {
  const spec = await readWorldSpec(inventory);
  const world = await createWorld(spec);
  return { spec, world, runner: new PacketRunner(world, spec) };
}

/** All cases with packets, as rows of a table: a name, the inventory, and the name and folder of each case in its world. */
export const packetCases = [...byInventory(caseFolders("packets.txt"))].map(
  ([inventory, cases]) =>
    [
      basename(inventory),
      inventory,
      cases.map(({ name, folder }) => [name, folder] as const),
    ] as const,
);

export async function packetLinesOf(caseFolder: string): Promise<PacketLine[]> {
  return parsePacketLines(await readFile(join(caseFolder, "packets.txt"), "utf8"));
}

/**
 * Brings a case into force beside a host firewall that drops what virtwall did not mark, with somebody at every place that its
 * packets name. Returns the packets whose promise holds under that value of bridge-nf-call-iptables.
 */
export async function enforceCase(
  { world, runner }: PacketWorld,
  caseFolder: string,
  bridgeNetfilter: "0" | "1",
): Promise<PacketLine[]> {
  const condition = `bridge-nf-call-iptables=${bridgeNetfilter}`;
  const lines = (await packetLinesOf(caseFolder)).filter(
    (line) => line.condition === "always" || line.condition === condition,
  );
  await runner.listen(lines);
  const { tables, hairpinTaps } = await soundCase(caseFolder);
  await world.setHairpin(hairpinTaps);
  await loadRuleset(world, await readHostFirewall(caseFolder), tables);
  await world.setBridgeNetfilter(bridgeNetfilter === "1");
  return lines;
}
