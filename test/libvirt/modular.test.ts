import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { qemuSettings } from "../../lab/libvirt.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { startVirtwall, virtwall, writePolicy } from "../../lab/virtwall.ts";
import { startWorld, type World } from "../../lab/world.ts";

/**
 * libvirt as several daemons, of which Debian ships none: here each is a libvirtd with one driver alone, under the modular daemon's
 * socket. What differs from the real ones: this qemu driver cannot ask the network driver, so guests name a bridge.
 */
const parts = { virtqemud: "qemu", virtnetworkd: "network" } as const;
const program = [process.execPath, join(projectRoot(), "bin", "virtwall")];
type Part = keyof typeof parts;

let world: World;

beforeAll(async () => {
  world = await startWorld();
  await appendFile(world.pathOf("/etc/libvirt/qemu.conf"), qemuSettings);
  // As clients do where libvirt is built so, which is upstream's default.
  await appendFile(world.pathOf("/etc/libvirt/libvirt.conf"), '\nremote_mode = "direct"\n');
  await world.must(["virtlogd", "-d"]);
  for (const part of ["virtnetworkd", "virtqemud"] as const) await makePart(part);
  await startNetwork("lan", "virbr7");
  await writePolicy(world, "guests:\n  web1: { groups: [web] }\ngroups:\n  web: {}\n");
  await startVirtwall(world);
});

afterAll(async () => {
  await world?.stop();
});

async function makePart(part: Part): Promise<void> {
  const folder = `/run/${part}`;
  await mkdir(world.pathOf(folder));
  const settings = `unix_sock_dir = "${folder}"\nauth_unix_rw = "none"\n`;
  await writeFile(world.pathOf(join(folder, "libvirtd.conf")), settings);
  const link = `driver=$(find /usr/lib* -name libvirt_driver_${parts[part]}.so | head -n 1)
    [ -n "$driver" ] && ln -s "$driver" ${folder}
    mkdir -p /run/libvirt && ln -s ${folder}/libvirt-sock /run/libvirt/${part}-sock`;
  await world.must(["sh", "-ec", link]);
  await startPart(part);
}

async function startPart(part: Part): Promise<void> {
  const folder = `/run/${part}`;
  const options = ["-f", `${folder}/libvirtd.conf`, "-p", `${folder}/pid`, "-d"];
  await world.must(["env", `LIBVIRT_DRIVER_DIR=${folder}`, "libvirtd", ...options]);
  const uri = `${parts[part]}:///system`;
  const answers = `for i in $(seq 600); do virsh -c ${uri} uri && exit 0; sleep 0.05; done; exit 1`;
  await world.must(["sh", "-c", answers]);
}

async function endPart(part: Part, signal: "TERM" | "KILL"): Promise<void> {
  const end = `p=$(cat /run/${part}/pid); kill -${signal} "$p"
    for i in $(seq 900); do kill -0 "$p" 2>/dev/null || exit 0; sleep 0.05; done; exit 1`;
  await world.must(["sh", "-c", end]);
}

async function restartPart(part: Part, signal: "TERM" | "KILL"): Promise<void> {
  await endPart(part, signal);
  await startPart(part);
}

async function startNetwork(name: string, bridge: string): Promise<void> {
  const file = join(world.folder, `${name}.xml`);
  const number = bridge.replace(/\D/g, "");
  const ip = `<ip address='192.168.13${number}.1' prefix='24'/>`;
  const xml = `<network><name>${name}</name><bridge name='${bridge}'/>${ip}</network>`;
  await writeFile(file, xml);
  await world.must(["virsh", "-c", "network:///system", "net-create", file]);
}

async function startGuest(name: string, mac: string): Promise<void> {
  const file = join(world.folder, `${name}.xml`);
  await writeFile(
    file,
    `<domain type='qemu'><name>${name}</name><memory unit='MiB'>32</memory>
      <os><type arch='x86_64' machine='q35'>hvm</type></os>
      <devices><interface type='bridge'><mac address='${mac}'/><source bridge='virbr7'/></interface>
      <memballoon model='none'/></devices></domain>`,
  );
  await world.must(["virsh", "-c", "qemu:///system", "create", file, "--paused"]);
}

interface Status {
  readonly guests: readonly { readonly name: string }[];
  readonly networks: readonly { readonly name: string }[];
  readonly errors: readonly string[];
}

/** It ends with another status while something is refused, and says the same. */
async function status(): Promise<Status> {
  const { stdout } = await world.run([...program, "status", "--json"]);
  return JSON.parse(stdout) as Status;
}

const named = (things: readonly { readonly name: string }[]) => things.map(({ name }) => name);
const guests = async () => named((await status()).guests);
const networks = async () => named((await status()).networks);
/** Sooner than everything is asked for anew without an event, which is each half minute. */
const soon = { timeout: 25_000 };

test("guests and networks are read of a daemon each, and both tell what happens", async () => {
  expect(await networks()).toEqual(["lan"]);
  await startGuest("web1", "52:54:00:00:00:01");
  await expect.poll(guests, soon).toEqual(["web1"]);
  expect((await status()).errors).toEqual([]);
});

test.each(["TERM", "KILL"] as const)(
  "the networks' daemon ended by SIG%s and started again: no rule changes, and it is heard again",
  async (signal) => {
    const rules = () => world.must(["nft", "-a", "list", "table", "bridge", "virtwall"]);
    const before = await rules();
    await restartPart("virtnetworkd", signal);
    await expect.poll(async () => (await status()).errors, soon).toEqual([]);
    expect(await networks()).toEqual(["lan"]);
    expect(await rules()).toBe(before);
    await startNetwork("more", "virbr8");
    await expect.poll(networks, soon).toEqual(["lan", "more"]);
    await world.must(["virsh", "-c", "network:///system", "net-destroy", "more"]);
    await expect.poll(networks, soon).toEqual(["lan"]);
  },
);

test("while a daemon of libvirt's is away all rules stay, and status and log say what is not answered", async () => {
  const rules = () => world.must(["nft", "-a", "list", "table", "bridge", "virtwall"]);
  const before = await rules();
  await endPart("virtqemud", "KILL");
  await expect.poll(async () => (await status()).errors.join(), soon).toContain("virsh list");
  expect(await virtwall(world, "events")).toMatch(/refused.*libvirt: virsh list.*: \S/);
  expect(await rules()).toBe(before);
  await startPart("virtqemud");
  await expect.poll(async () => (await status()).errors, soon).toEqual([]);
  expect(await rules()).toBe(before);
});

test("the guests' daemon killed and started again is heard again", async () => {
  await restartPart("virtqemud", "KILL");
  await expect.poll(async () => (await status()).errors, soon).toEqual([]);
  expect(await guests()).toEqual(["web1"]);
  await startGuest("web2", "52:54:00:00:00:02");
  await expect.poll(guests, soon).toEqual(["web1", "web2"]);
});
