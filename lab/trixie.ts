import { readFile, writeFile } from "node:fs/promises";

import { cached } from "./cache-folder.ts";
import type { World } from "./world.ts";

/**
 * The root folder of a Debian 13 with libvirt 11.3 and nft 1.1.3, for `startWorld`. Made when the cache has none: 3
 * minutes, from the network, so not from inside a namespace without one. Throws {@link LabError} naming what lacks.
 */
export function trixieRoot(): Promise<string> {
  return cached("make-trixie.sh", 900_000);
}

/** Switches libvirt in such a world to its nftables backend, which Debian does not make the default. */
export async function useNftablesBackend(world: World): Promise<void> {
  const settings = world.pathOf("/etc/libvirt/network.conf");
  const before = await readFile(settings, "utf8").catch(() => "");
  await writeFile(settings, `${before}\nfirewall_backend = "nftables"\n`);
  await allowNftablesBackend(world);
}

/** Makes that backend work where the kernel lacks what it wants. */
export async function allowNftablesBackend(world: World): Promise<void> {
  // It fills UDP checksums with `tc … csum`, without which a network does not start; kernels without
  // act_csum refuse it, and virtio guests do not need it.
  const shim = world.pathOf("/usr/local/sbin/tc");
  const script = '#!/bin/sh\ncase "$*" in *csum*) exit 0 ;; esac\nexec /usr/sbin/tc "$@"\n';
  await writeFile(shim, script, { mode: 0o755 });
}
