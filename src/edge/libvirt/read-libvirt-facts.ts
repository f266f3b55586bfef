import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { defined } from "../../base/defined.ts";
import type { Table } from "../../nft/ast.ts";
import type { LibvirtFacts } from "../../ports/host-facts.ts";
import { SourceError } from "../../ports/sources.ts";
import { readFolder } from "../files/read-folder.ts";
import { readTables } from "../../nft/read.ts";
import { listTable, withTrueFlags } from "../nft/list.ts";

const run = promisify(execFile);

/** Those that keep rules for networks, and the client where they are elsewhere. */
const programs = ["virtnetworkd", "libvirtd", "virsh"] as const;

/** What is installed and what it has left on this host; libvirt itself is not asked. Throws {@link SourceError}. */
export async function readLibvirtFacts(): Promise<LibvirtFacts | undefined> {
  const version = await readVersion();
  if (version === undefined) return undefined;
  const settings = await readFile("/etc/libvirt/network.conf", "utf8").catch(() => "");
  const states = await readFolder("/run/libvirt/network", ".xml");
  return defined({
    version,
    // Of a setting given twice the last one counts.
    backend: [...settings.matchAll(/^\s*firewall_backend\s*=\s*["'](\w+)["']/gm)].at(-1)?.[1],
    networkBackends: states.flatMap(
      ({ text }) => /<firewall\b[^>]*\bbackend=['"](\w+)['"]/.exec(text)?.[1] ?? [],
    ),
    tables: [...(await readTable("ip")), ...(await readTable("ip6"))],
  });
}

async function readVersion(): Promise<readonly number[] | undefined> {
  for (const program of programs) {
    try {
      const { stdout } = await run(program, ["--version"]);
      const match = /(\d+)\.(\d+)\.(\d+)/.exec(stdout);
      if (match) return match.slice(1).map(Number);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw new SourceError(`${program} --version failed`, { cause });
    }
  }
  return undefined;
}

/** Empty where there is no such table. */
async function readTable(family: "ip" | "ip6"): Promise<readonly Table[]> {
  const address = { family, name: "libvirt_network" } as const;
  const listing = await listTable(address, { isTerse: false });
  return listing === undefined ? [] : readTables(await withTrueFlags(listing));
}
