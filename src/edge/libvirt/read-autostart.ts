import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import type { AutostartFacts } from "../../ports/host-facts.ts";
import { SourceError } from "../../ports/sources.ts";

/** The links that `virsh autostart` and `virsh net-autostart` make. libvirt itself is not asked. Throws {@link SourceError}. */
export async function readAutostart(): Promise<AutostartFacts> {
  const folder = "/etc/libvirt/qemu";
  return {
    guests: await namesIn(`${folder}/autostart`),
    networks: await namesIn(`${folder}/networks/autostart`),
  };
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    const files = await readdir(folder);
    return files
      .filter((file) => file.endsWith(".xml"))
      .map((file) => basename(file, ".xml"))
      .toSorted();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new SourceError(`cannot read ${folder}`, { cause });
  }
}
