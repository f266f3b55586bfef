import { startFirewalld } from "../../lab/firewalld.ts";
import { hostFirewall, strictRules, type HostFirewall } from "../../lab/host-firewall.ts";
import { startLibvirt, type GuestWish, type Libvirt } from "../../lab/libvirt.ts";
import type { Running } from "../../lab/running.ts";
import { allowNftablesBackend, useNftablesBackend } from "../../lab/trixie.ts";
import type { StreamPlan } from "../../lab/stream/stream-report.ts";
import { addUplink, uplink } from "../../lab/uplink.ts";
import { startVirtwall, virtwall, writePolicy } from "../../lab/virtwall.ts";
import { startWorld, type World } from "../../lab/world.ts";

/** A hypervisor in a world: strict host firewall, real libvirt, real guests that serve, and virtwall's daemon. */
export interface Hypervisor {
  readonly world: World;
  readonly libvirt: Libvirt;
  readonly firewall: HostFirewall;
  /** Where each guest was found: its IPv4 address by name. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Starts `virtwall daemon` again after a test ended it. */
  startDaemon(): Promise<Running>;
  daemon(): Running;
  virtwall(...words: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

export interface HypervisorWish {
  /** The root folder of another Debian, {@link trixieRoot}. */
  readonly root?: string;
  /** What libvirt writes its networks' rules with. Default: `nftables` with {@link root}, `iptables` on the machine's own Debian. */
  readonly backend?: "iptables";
  readonly policy: string;
  /** Default: strict rules of nft. `root` must have firewalld where that is wished. */
  readonly hostFirewall?: "firewalld";
  /** Besides libvirt's own `default`. */
  readonly networks?: readonly string[];
  readonly guests: readonly GuestWish[];
}

/** What {@link startServing} publishes, as a stream asks for it. */
export const served = {
  address: uplink.address,
  httpPort: 8080,
  udpPort: 7007,
  page: "I am web1",
  datagramsPerSecond: 500,
  datagramsPerFlow: 50,
  connectionsPerSecond: 10,
} as const satisfies StreamPlan;

/** With one guest, web1, whose page and whose echo are published. */
export function startServing(wish: Pick<HypervisorWish, "root"> = {}): Promise<Hypervisor> {
  return startHypervisor({
    ...wish,
    guests: [{ name: "web1", mac: "52:54:00:00:00:01" }],
    policy: `guests:
  web1:
    publish:
      - address: ${served.address}
        ports: [tcp/${served.httpPort}:80, udp/${served.udpPort}:7]
`,
  });
}

export async function startHypervisor(wish: HypervisorWish): Promise<Hypervisor> {
  const world = await startWorld(wish.root === undefined ? {} : { root: wish.root });
  try {
    await addUplink(world);
    const firewall = await (wish.hostFirewall === "firewalld"
      ? startFirewalld(world)
      : hostFirewall(world, strictRules));
    if (wish.backend === "iptables") await allowNftablesBackend(world);
    else if (wish.root !== undefined) await useNftablesBackend(world);
    const libvirt = await startLibvirt(world);
    for (const network of wish.networks ?? []) await libvirt.startNetwork(network);
    await writePolicy(world, wish.policy);
    // Before the guests: they get their lease through the host firewall with virtwall's help only.
    let daemon = await startVirtwall(world);
    for (const guest of wish.guests) await libvirt.startGuest(guest);
    const addresses = new Map<string, string>();
    for (const { name } of wish.guests) addresses.set(name, await libvirt.untilServing(name));
    return {
      world,
      libvirt,
      firewall,
      addresses,
      daemon: () => daemon,
      startDaemon: async () => (daemon = await startVirtwall(world)),
      virtwall: (...words) => virtwall(world, ...words),
      stop: () => world.stop(),
    };
  } catch (cause) {
    await world.stop();
    throw cause;
  }
}
