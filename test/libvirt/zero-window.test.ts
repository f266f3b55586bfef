import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import { startHypervisor, type Hypervisor } from "./hypervisor.ts";

const flood = { name: "flood", mac: "52:54:00:00:00:66", floods: true };
const secondMac = "52:54:00:00:00:67";
const inWatcher = ["ip", "netns", "exec", "watcher"] as const;

/** Counts frames by their source where they would arrive. */
const counters = (device: string) => `table netdev seen {
  chain frames {
    type filter hook ingress device "${device}" priority 0; policy accept;
    ether saddr { ${flood.mac}, ${secondMac} } counter
    ether saddr ${flood.mac} ip saddr 192.168.122.77 counter comment "forged"
    ether saddr ${flood.mac} arp saddr ip 192.168.122.1 counter comment "forged"
  }
}
`;

let hypervisor: Hypervisor;

beforeAll(async () => {
  hypervisor = await startHypervisor({
    guests: [],
    policy: `groups:
  web: {}
guests:
  flood: { groups: [web] }
`,
  });
  const { world } = hypervisor;
  const commands = [
    "netns add watcher",
    "link add watch0 type veth peer name eth0 netns watcher",
    "link set watch0 master virbr0 up",
    "-n watcher link set eth0 up",
  ];
  for (const command of commands) await world.must(["ip", ...command.split(" ")]);
  await world.must([...inWatcher, "nft", "-f", "-"], { input: counters("eth0") });
  await world.must(["nft", "-f", "-"], { input: counters("virbr0") });
  // A port of a bridge with STP forwards nothing for its first seconds: then it would be the bridge that keeps the guest silent.
  await world.must(["ip", "link", "set", "virbr0", "type", "bridge", "stp_state", "0"]);
  await world.must(["ip", "link", "set", "virbr0", "type", "bridge", "forward_delay", "0"]);
});

afterAll(async () => {
  await hypervisor?.stop();
});

async function count(argv: readonly string[], counters: RegExp): Promise<number> {
  const listing = await hypervisor.world.must(argv);
  return [...listing.matchAll(counters)].reduce((sum, [, n]) => sum + Number(n), 0);
}

/** Frames of the guest that another port of the bridge has seen, and the host's own stack; with `forged` those of another's address. */
async function seen(which: "all" | "forged" = "all"): Promise<number> {
  const counters =
    which === "all"
      ? /} counter packets (\d+)/g
      : /counter packets (\d+) bytes \d+ comment "forged"/g;
  const list = ["nft", "list", "table", "netdev", "seen"];
  return (await count([...inWatcher, ...list], counters)) + (await count(list, counters));
}

/** Frames of taps that nobody vouches for. */
const refused = () =>
  count(["nft", "list", "chain", "bridge", "virtwall", "prerouting"], /packets (\d+)/g);

/** The guest floods while nobody tells the kernel of it; then the daemon comes, and it is heard. */
async function isSilentUntilKnown(begin: () => Promise<void>): Promise<void> {
  await hypervisor.daemon().end("SIGKILL");
  const [seenBefore, refusedBefore] = [await seen(), await refused()];
  await begin();
  await expect.poll(async () => (await refused()) - refusedBefore).toBeGreaterThan(200);
  expect(await seen()).toBe(seenBefore);
  await hypervisor.startDaemon();
}

test("a guest that floods from its first moment is heard by nobody while its rules do not stand", async () => {
  await isSilentUntilKnown(() => hypervisor.libvirt.startGuest(flood));
});

test("known, it passes no frame under an address that is not its own", async () => {
  await setTimeout(1_000);
  expect(await seen("forged")).toBe(0);
});

test("let out of its groups it is heard, so what is counted here does arrive", async () => {
  await writeFile(hypervisor.world.pathOf("/etc/virtwall/policy.yaml"), "guests: {}\n");
  await expect.poll(() => seen("forged")).toBeGreaterThan(50);
});

test("restored, it is heard by nobody until its rules stand again", async () => {
  const file = join(hypervisor.world.folder, "flood.save");
  await hypervisor.libvirt.virsh("save", "flood", file);
  const taps = () => hypervisor.world.must(["nft", "list", "set", "bridge", "virtwall", "taps"]);
  await expect.poll(taps).not.toContain("vnet");
  await isSilentUntilKnown(async () => void (await hypervisor.libvirt.virsh("restore", file)));
  const before = await seen();
  await expect.poll(async () => (await seen()) - before).toBeGreaterThan(50);
});

test("a nic that is plugged into it is heard by nobody until its rules stand", async () => {
  const { world, libvirt } = hypervisor;
  const xml = `<interface type='network'><mac address='${secondMac}'/><source network='default'/><model type='virtio'/></interface>`;
  const file = join(world.folder, "second.xml");
  await writeFile(file, xml);
  await libvirt.virsh("domif-setlink", "flood", flood.mac, "down");
  await setTimeout(300);
  await isSilentUntilKnown(
    async () => void (await libvirt.virsh("attach-device", "flood", file, "--live")),
  );
  const before = await seen();
  await expect.poll(async () => (await seen()) - before).toBeGreaterThan(50);
});
