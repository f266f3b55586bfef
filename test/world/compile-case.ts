import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Compiled, compile } from "../../src/compile/compile.ts";
import { DirectoryLibvirt } from "../../src/edge/libvirt/directory-libvirt.ts";
import type { HostInterface, Inventory } from "../../src/model/inventory.ts";
import type { Policy } from "../../src/model/policy.ts";
import type { Problem } from "../../src/model/problem.ts";
import { parseInventory } from "../../src/parse/inventory.ts";
import { parsePolicy } from "../../src/parse/policy.ts";

/** A case folder as the product understands it. */
export interface CompiledCase extends Compiled {
  readonly policy: Policy;
  readonly inventory: Inventory;
  readonly problems: readonly Problem[];
}

/** Reads policy and inventory of a case; `policyText` stands for the file where a test changes it. */
export async function compileCase(folder: string, policyText?: string): Promise<CompiledCase> {
  const inventoryFolder = join(folder, "inventory");
  const text = policyText ?? (await readFile(join(folder, "policy.yaml"), "utf8"));
  const { policy, problems } = parsePolicy([{ file: "policy.yaml", text }]);
  const texts = await new DirectoryLibvirt(inventoryFolder).read();
  const host = await readFile(join(inventoryFolder, "host.json"), "utf8");
  const parsed = parseInventory(texts, JSON.parse(host) as HostInterface[]);
  return {
    ...compile(policy, parsed.inventory),
    policy,
    inventory: parsed.inventory,
    problems: [...problems, ...parsed.problems],
  };
}
