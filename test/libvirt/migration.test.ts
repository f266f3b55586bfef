import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { fetchPage } from "../../lab/fetch-page.ts";
import { startLibvirt, type Libvirt } from "../../lab/libvirt.ts";
import { mustRun } from "../../lab/run-program.ts";
import type { Running } from "../../lab/running.ts";
import { startVirtwall, virtwall, writePolicy } from "../../lab/virtwall.ts";
import { startWorld, type World } from "../../lab/world.ts";

/** Two hypervisors whose bridges are one network: a cable joins them. */
interface Host {
  readonly world: World;
  readonly libvirt: Libvirt;
  readonly daemon: Running;
}

const guestAddress = "192.0.2.51";
/** Its own XML says which group's it is and what address it has: no file of either host does. */
const guest = {
  name: "web1",
  mac: "52:54:00:00:00:01",
  network: "lan",
  domainXml: `<metadata>
    <virtwall:guest xmlns:virtwall="https://virtwall.dev/guest/1">
      <virtwall:groups>web</virtwall:groups>
      <virtwall:nics mac="52:54:00:00:00:01">
        <virtwall:address>${guestAddress}</virtwall:address>
      </virtwall:nics>
    </virtwall:guest>
  </metadata>`,
} as const;
const flood = { name: "flood", mac: "52:54:00:00:00:66", network: "lan", floods: true } as const;
const lan = `<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/></network>`;
const policy = `groups:
  web:
    ingress: [{ allow: [tcp/7, tcp/80] }]
guests:
  flood:
    groups: [web]
`;
const asPeer = ["ip", "netns", "exec", "peer"] as const;

let source: Host;
let destination: Host;
let destinationUri: string;

beforeAll(async () => {
  source = await startHost("1");
  destination = await startHost("2");
  destinationUri = await reachableLibvirt(destination.world);
  await joinBridges();
  await addPeer(source.world);
});

afterAll(async () => {
  await source?.world.stop();
  await destination?.world.stop();
});

async function startHost(number: "1" | "2"): Promise<Host> {
  const world = await startWorld();
  const links = ["link add br0 type bridge stp_state 0 forward_delay 0", "link set br0 up"];
  for (const command of links) await world.must(["ip", ...command.split(" ")]);
  await mkdir(world.pathOf("/etc/libvirt/hooks"), { recursive: true });
  await writePolicy(world, policy);
  // Before libvirtd, which looks for hooks once.
  await virtwall(world, "hook", "install");
  const uuid = `0a0f2a2c-5d0e-4f4b-9d5c-00000000000${number}`;
  const libvirt = await startLibvirt(world, { host: { name: `host${number}`, uuid } });
  await libvirt.startNetwork(lan);
  return { world, libvirt, daemon: await startVirtwall(world) };
}

/** A veth pair, an end in each world's bridge. The holders' processes name the namespaces. */
async function joinBridges(): Promise<void> {
  const [first, second] = [source, destination].map(({ world }) => holderOf(world));
  const inFirst = ["nsenter", `--target=${first}`, "--net", "ip", "link", "add", "cable"];
  await mustRun([...inFirst, "type", "veth", "peer", "name", "cable", "netns", `${second}`]);
  for (const { world } of [source, destination]) {
    await world.must(["ip", "link", "set", "cable", "master", "br0", "up"]);
  }
}

function holderOf(world: World): string {
  return /^\/proc\/(\d+)\//.exec(world.pathOf("/"))?.[1] ?? "";
}

/** Somebody else in the bridges' network, who also gives the guest its address. */
async function addPeer(world: World): Promise<void> {
  const commands = [
    "netns add peer",
    "link add peer0 type veth peer name eth0 netns peer",
    "link set peer0 master br0 up",
    "-n peer addr add 192.0.2.1/24 dev eth0",
    "-n peer link set eth0 up",
    "-n peer link set lo up",
  ];
  for (const command of commands) await world.must(["ip", ...command.split(" ")]);
  const leases = join(world.folder, "peer.leases");
  const options = ["--keep-in-foreground", "--port=0", "--interface=eth0", "--conf-file=/dev/null"];
  const range = ["--dhcp-range=192.0.2.50,192.0.2.60", `--dhcp-leasefile=${leases}`];
  const host = [`--dhcp-host=${guest.mac},${guestAddress}`, "--no-ping", "--pid-file="];
  await world.start([...asPeer, "dnsmasq", ...options, ...range, ...host]);
}

/** libvirt's socket lies in its world's own /run; the world's folder is seen by both. */
const relay = `
const net = require("node:net");
net.createServer((near) => {
  const far = net.connect("/run/libvirt/libvirt-sock");
  near.pipe(far).pipe(near);
  for (const end of [near, far]) end.on("error", () => { near.destroy(); far.destroy(); });
}).listen(process.argv[1], () => console.log("ready"));
`;

async function reachableLibvirt(world: World): Promise<string> {
  const socket = join(world.folder, "libvirt.sock");
  const program = await world.start([process.execPath, "-e", relay, socket]);
  await vi.waitUntil(() => program.stdout().includes("ready"), { timeout: 30_000 });
  return `qemu+unix:///system?socket=${socket}`;
}

/** Frames that the bridge has refused: of unknown taps, and QEMU's own word on where the guest is now, which is reverse ARP. */
async function refusedFrames({ world }: Host): Promise<number> {
  const list = ["nft", "list", "chain", "bridge", "virtwall"];
  const unknown = await world.must([...list, "prerouting"]);
  const [odd = ""] = /.*ether type != .*/.exec(await world.must([...list, "guard"])) ?? [];
  return [...`${unknown}${odd}`.matchAll(/counter packets (\d+) bytes \d+ drop/g)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

async function moveAway(name: string, ...options: readonly string[]): Promise<void> {
  const way = ["--migrateuri", `unix://${join(destination.world.folder, `${name}.sock`)}`];
  const words = ["--live", "--unsafe", ...options, name, destinationUri, ...way];
  await source.libvirt.virsh("migrate", ...words);
}

const tapsOf = ({ world }: Host) =>
  world.must(["nft", "list", "set", "bridge", "virtwall", "taps"]);

/** Addresses of the group's guests. */
const groupOf = ({ world }: Host) => world.must(["nft", "-s", "list", "ruleset", "bridge"]);

/** One connection to the guest's echo, kept for as long as the test wants. */
const talker = `
const socket = require("node:net").connect(7, "${guestAddress}");
socket.on("data", (text) => process.stdout.write(text));
socket.on("error", (error) => console.log("error", error.code));
socket.on("close", () => console.log("closed"));
process.stdin.on("data", (text) => socket.write(text));
`;

const page = () => fetchPage(source.world, `http://${guestAddress}/`, { from: asPeer });

test("a guest whose move is called off keeps its rules where it runs, and leaves none where it was to go", async () => {
  await source.libvirt.startGuest(guest);
  await expect.poll(page).toContain("I am web1");
  const rules = await groupOf(source);

  const moving = moveAway(guest.name, "--bandwidth", "1").then(
    () => "moved",
    () => "called off",
  );
  await expect.poll(() => tapsOf(destination)).toContain("vnet");
  const job = () => source.libvirt.virsh("domjobinfo", guest.name);
  await expect.poll(job).toMatch(/Data processed: +[1-9]/);
  await source.libvirt.virsh("domjobabort", guest.name);

  expect(await moving).toBe("called off");
  await expect.poll(() => tapsOf(destination)).not.toContain("vnet");
  expect(await groupOf(destination)).not.toContain(guestAddress);
  expect(await groupOf(source)).toBe(rules);
  expect(await page()).toContain("I am web1");
});

test("a guest moves to another host: its rules stand there before it runs, and are gone here", async () => {
  const connection = await source.world.start([...asPeer, process.execPath, "-e", talker]);
  connection.stdin.write("before\n");
  await expect.poll(connection.stdout).toContain("before");

  await moveAway(guest.name);

  expect(await destination.libvirt.virsh("list", "--name")).toContain(guest.name);
  connection.stdin.write("after\n");
  await expect.poll(connection.stdout).toContain("after");
  expect(connection.output()).not.toMatch(/error|closed/);
  expect(await refusedFrames(destination)).toBe(0);
  expect(await tapsOf(destination)).toContain("vnet");
  expect(await groupOf(destination)).toContain(guestAddress);
  await expect.poll(() => tapsOf(source)).not.toContain("vnet");
  expect(await groupOf(source)).not.toContain(guestAddress);
});

/** What a port of the bridge hears of the guest, and the host itself. */
const ears = ["heard0", "br0"].map(
  (device) => `table netdev ${device} {
  chain frames {
    type filter hook ingress device "${device}" priority 0; policy accept;
    ether saddr ${flood.mac} counter
  }
}
`,
);

test("a guest that floods is heard by nobody on the other host before its rules stand there", async () => {
  const { world } = destination;
  const heard = async (): Promise<number> => {
    const listing = await world.must(["nft", "list", "ruleset", "netdev"]);
    return [...listing.matchAll(/counter packets (\d+)/g)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  };
  await world.must(["ip", "link", "add", "tohear0", "type", "veth", "peer", "name", "heard0"]);
  await world.must(["ip", "link", "set", "tohear0", "master", "br0", "up"]);
  await world.must(["ip", "link", "set", "heard0", "up"]);
  await world.must(["nft", "-f", "-"], { input: ears.join("") });
  // What it sends where it comes from is not to be heard here.
  await world.must(["ip", "link", "set", "cable", "down"]);
  const sentOf = async (host: Host): Promise<number> =>
    Number(await host.world.must(["sh", "-c", "cat /sys/class/net/vnet*/statistics/rx_packets"]));
  const longEnough = { timeout: 60_000 };

  await source.libvirt.startGuest(flood);
  await expect.poll(() => sentOf(source), longEnough).toBeGreaterThan(200);
  await destination.daemon.end("SIGKILL");
  const before = await refusedFrames(destination);
  await moveAway(flood.name);
  const refused = async () => (await refusedFrames(destination)) - before;
  await expect.poll(refused, longEnough).toBeGreaterThan(200);
  expect(await heard()).toBe(0);

  // Let out of its groups it is heard, so what is counted here does arrive.
  await writePolicy(world, "guests: {}\n");
  await startVirtwall(world);
  await expect.poll(heard, longEnough).toBeGreaterThan(50);
});
