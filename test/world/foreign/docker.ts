import type { ChildProcess } from "node:child_process";
import type { World } from "../world.ts";
import type { ForeignFirewall } from "./foreign-firewall.ts";
import { endChild, type ForeignRoot } from "./foreign-root.ts";
import { withoutCounters } from "./ufw.ts";

/**
 * The real Docker daemon with its default network, both families through iptables. Where it finds forwarding switched off it
 * switches it on, and then drops whatever is forwarded and not its own: so it finds it switched off.
 */
export function docker(world: World, root: ForeignRoot): ForeignFirewall {
  let daemon: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const host = world.agent("host");
    await host.sysctl({ "net.ipv4.ip_forward": "0", "net.ipv6.conf.all.forwarding": "0" });
    daemon = root.start(
      "dockerd",
      "--storage-driver=vfs",
      "--ipv6",
      "--fixed-cidr-v6=fd00:d0c::/64",
      "--experimental",
      "--ip6tables",
    );
    await root.said(daemon, "API listen on");
    await host.sysctl({ "net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1" });
  };
  const stop = async (): Promise<void> => {
    if (daemon) await endChild(daemon);
  };
  return {
    start,
    stop,
    restart: async () => {
      await stop();
      await start();
    },
    listing: async () =>
      `${await withoutCounters(root, "iptables-save")}\n${await withoutCounters(root, "ip6tables-save")}`,
    close: () => root.close(),
  };
}
