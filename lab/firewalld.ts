import { setTimeout } from "node:timers/promises";

import type { HostFirewall } from "./host-firewall.ts";
import type { World } from "./world.ts";

/** firewalld as its package sets it up, with a system bus, as the hypervisor's own firewall. A restart is its reload. */
export async function startFirewalld(world: World): Promise<HostFirewall> {
  await world.must(["mkdir", "-p", "/run/dbus"]);
  await world.start(["dbus-daemon", "--system", "--nofork", "--nopidfile"]);
  await world.start(["firewalld", "--nofork", "--nopid"]);
  for (let tries = 0; (await world.run(["firewall-cmd", "--state"])).status !== 0; tries += 1) {
    if (tries > 100) await world.must(["firewall-cmd", "--state"]);
    await setTimeout(100);
  }
  return {
    file: "/etc/firewalld/firewalld.conf",
    restart: async () => void (await world.must(["firewall-cmd", "--reload"])),
  };
}
