import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { Libvirt } from "./libvirt.ts";
import { projectRoot } from "./project-root.ts";
import type { World } from "./world.ts";

export interface ForwardWish {
  readonly guest: string;
  readonly publicAddress: string;
  readonly guestAddress: string;
  /** `protocol:public port:guest's port` */
  readonly ports: readonly string[];
}

const hookFile = "/etc/libvirt/hooks/qemu";

/** Writes the iptables hook script that guides recommend. */
export async function writeClassicHook(file: string, wish: ForwardWish): Promise<void> {
  const template = await readFile(join(projectRoot(), "lab", "classic-hook.sh"), "utf8");
  const script = template
    .replace("@GUEST@", wish.guest)
    .replace("@PUBLIC_IP@", wish.publicAddress)
    .replace("@PRIVATE_IP@", wish.guestAddress)
    .replace("@PORTS@", wish.ports.join(" "));
  await writeFile(file, script);
  await chmod(file, 0o755);
}

/** Puts it where libvirt calls it. libvirtd has to start after this. */
export function installClassicHook(world: World, wish: ForwardWish): Promise<void> {
  return writeClassicHook(world.pathOf(hookFile), wish);
}

/** Leaves a hook that does nothing: libvirt looks for the file at its start only. */
export async function retireClassicHook(world: World): Promise<void> {
  await writeFile(world.pathOf(hookFile), "#!/bin/sh\nexit 0\n");
}

/**
 * What brings forwards back after a restart of the host firewall. libvirt's documentation says SIGHUP (`systemctl
 * reload libvirtd`), which fails in 9.0.0 once the ruleset was flushed: it inserts rules into chains that it
 * believes to exist ("No chain/target/match by that name"). A new start makes them, and calls the hook with
 * `reconnect` for each guest that runs.
 */
export async function repairByRestart(
  world: World,
  libvirt: Libvirt,
  guestAddress: string,
): Promise<void> {
  await libvirt.restart();
  const wait =
    'for try in $(seq 200); do iptables -t nat -S PREROUTING | grep -q "$1" && exit; sleep 0.02; done; exit 1';
  await world.must(["sh", "-c", wait, "wait", guestAddress]);
}
