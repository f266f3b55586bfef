import { installClassicHook } from "../classic-hook.ts";
import { handTunedRules, hostFirewall } from "../host-firewall.ts";
import { fetchByGuest, fetchPage } from "../fetch-page.ts";
import { startLibvirt, type Libvirt } from "../libvirt.ts";
import type { StreamPlan } from "../stream/stream-report.ts";
import { addUplink, asClient, client, uplink } from "../uplink.ts";
import type { World } from "../world.ts";
import type { Pages } from "./measurement.ts";

/** Everything the demo's two halves share: a hypervisor with two guests that serve, and a client outside. */
export interface Stage {
  readonly world: World;
  readonly libvirt: Libvirt;
  /** Address of the second guest in the guests' network. */
  readonly secondGuestAddress: string;
}

export const publishedGuest = { name: "web1", mac: "52:54:00:57:00:01", address: "192.168.122.10" };
const secondGuest = { name: "web2", mac: "52:54:00:57:00:02" };

export const publishedPorts = { http: 8080, udp: 7007 } as const;

export const streamPlan: StreamPlan = {
  address: uplink.address,
  httpPort: publishedPorts.http,
  udpPort: publishedPorts.udp,
  page: `I am ${publishedGuest.name}`,
  datagramsPerSecond: 500,
  datagramsPerFlow: 100,
  connectionsPerSecond: 10,
};

/** Boots it all the way admins have it today: hand-tuned host firewall, libvirt's own rules, hook script. */
export async function setStage(world: World, say: (line: string) => void): Promise<Stage> {
  await addUplink(world);
  await hostFirewall(world, handTunedRules);
  await installClassicHook(world, {
    guest: publishedGuest.name,
    publicAddress: uplink.address,
    guestAddress: publishedGuest.address,
    ports: [`tcp:${publishedPorts.http}:80`, `udp:${publishedPorts.udp}:7`],
  });
  say("starting libvirtd and its network `default`");
  const libvirt = await startLibvirt(world);
  // The hook script knows one fixed address, so the guest must always get that one.
  const { name, mac, address } = publishedGuest;
  const reservation = `<host mac='${mac}' ip='${address}'/>`;
  await libvirt.virsh("net-update", "default", "add", "ip-dhcp-host", reservation, "--live");
  say(`booting the guests ${publishedGuest.name} and ${secondGuest.name} (emulated, 8 s)`);
  await libvirt.startGuest({ name, mac });
  await libvirt.startGuest(secondGuest);
  const [, secondGuestAddress] = await Promise.all([
    libvirt.untilServing(publishedGuest.name),
    libvirt.untilServing(secondGuest.name),
  ]);
  return { world, libvirt, secondGuestAddress };
}

/** Fetches the guest's page under its public address, from three places. */
export async function fetchPages({ world, secondGuestAddress }: Stage): Promise<Pages> {
  const url = `http://${uplink.address}:${publishedPorts.http}/`;
  const got = (page: string) => page.includes(streamPlan.page);
  return {
    client: got(await fetchPage(world, url, { from: asClient, timeoutMs: 2_000 })),
    hypervisor: got(await fetchPage(world, url, { timeoutMs: 2_000 })),
    secondGuest: got(await fetchByGuest(world, secondGuestAddress, url)),
  };
}

/** Whether the second guest gets an answer from the client, who has no route to private addresses: only NAT helps. */
export async function reachesOutside({ world, secondGuestAddress }: Stage): Promise<boolean> {
  const url = `http://${secondGuestAddress}/cgi-bin/ping?${client.address}`;
  return (await fetchPage(world, url)).startsWith("open");
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
