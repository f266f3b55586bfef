import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { printRuleset } from "../../src/nft/print.ts";
import type { Table } from "../../src/nft/ast.ts";
import type { World } from "./world.ts";

const hostile = fileURLToPath(new URL("hostile-host.nft", import.meta.url));

/** The host's own firewall of a case, `host.nft`, or the hostile one. */
export async function readHostFirewall(folder: string): Promise<string> {
  const own = join(folder, "host.nft");
  return readFile(existsSync(own) ? own : hostile, "utf8");
}

/** Replaces every rule of the world's host: its own firewall and ours, in one transaction. */
export async function loadRuleset(
  world: World,
  hostFirewall: string,
  tables: readonly Table[],
): Promise<void> {
  const script = `flush ruleset\n${hostFirewall}\n${printRuleset(tables)}`;
  await world.onHost(["nft", "-f", "-"], script);
}
