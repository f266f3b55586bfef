import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { startLibvirt, type Libvirt } from "../../lab/libvirt.ts";
import type { Running } from "../../lab/running.ts";
import { addUplink, uplink } from "../../lab/uplink.ts";
import { startVirtwall, virtwall, writePolicy } from "../../lab/virtwall.ts";
import { startWorld, type World } from "../../lab/world.ts";

const policy = `guests:
  web1:
    required: true
    publish:
      - { address: ${uplink.address}, ports: [tcp/8080:80] }
    nics:
      "52:54:00:00:00:01": { address: 192.168.122.51 }
`;
const web1 = { name: "web1", mac: "52:54:00:00:00:01", paused: true };
const second = `<interface type='network'>
  <mac address='52:54:00:00:00:0a'/><source network='default'/><model type='virtio'/>
</interface>`;

const program = join(import.meta.dirname, "../../bin/virtwall");
/** As before a boot: no gate, no libvirt, and nothing has been started by itself yet. */
const endGateAndLibvirt = `
kill -9 "$(cat /run/virtwall/gate.sock.lock)"
p=$(cat /run/libvirtd.pid); kill "$p"
while kill -0 "$p" 2>/dev/null; do sleep 0.05; done
rm -f /run/libvirt/*/autostarted`;

let world: World;
let libvirt: Libvirt;
let daemon: Running;

async function begin(): Promise<void> {
  world = await startWorld();
  await addUplink(world);
  libvirt = await startLibvirt(world);
  await writePolicy(world, policy);
  daemon = await startVirtwall(world);
}

const end = () => world?.stop();

const nft = (...words: readonly string[]) => world.must(["nft", ...words]);
const publications = () => nft("list", "map", "inet", "virtwall", "publish4");
const isPublished = async () => (await publications()).includes(`${uplink.address} . tcp . 8080`);
const bridgeTable = () => nft("list", "table", "bridge", "virtwall");

async function tapOf(guest: string, mac: string): Promise<string> {
  const rows = await libvirt.virsh("domiflist", guest);
  return new RegExp(`^\\s*(\\S+)\\s.*${mac}`, "m").exec(rows)?.[1] ?? "none";
}

async function xmlFile(name: string, xml: string): Promise<string> {
  const file = join(world.folder, `${name}.xml`);
  await writeFile(file, xml);
  return file;
}

/** Long before libvirt is asked though it said nothing, half a minute later. */
const soon = { timeout: 15_000 };

/** What must hold of nics and networks, with libvirt's hooks or without. */
function followsEvents(): void {
  test("a nic that is plugged into a running guest is known within a second", async () => {
    const file = await xmlFile("second", second);
    const knownAfterMs = async () => {
      await libvirt.startGuest(web1);
      await libvirt.virsh("attach-device", "web1", file, "--live");
      const plugged = performance.now();
      const tap = await tapOf("web1", "52:54:00:00:00:0a");
      await expect.poll(bridgeTable, { interval: 5 }).toContain(`"${tap}"`);
      const ms = performance.now() - plugged;
      await libvirt.virsh("destroy", "web1");
      return ms;
    };
    // A busy machine gives it a few tries.
    await expect.poll(knownAfterMs).toBeLessThan(1000);
  });

  test("a nic that is moved to another network is judged as one of that", async () => {
    await libvirt.startNetwork(
      `<network><name>other</name><forward mode='nat'/><bridge name='virbr9'/>
        <ip address='192.168.99.1' prefix='24'/></network>`,
    );
    await libvirt.startGuest(web1);
    const tap = await tapOf("web1", web1.mac);
    const xml = `<interface type='network'><mac address='${web1.mac}'/>
      <source network='other'/><target dev='${tap}'/><model type='virtio'/></interface>`;
    const file = await xmlFile("moved", xml);
    await libvirt.virsh("update-device", "web1", file, "--live");
    const network = async () => {
      const text = await virtwall(world, "status", "--json");
      const status = JSON.parse(text) as {
        guests: { name: string; nics: { network?: string }[] }[];
      };
      return status.guests.find(({ name }) => name === "web1")?.nics[0]?.network;
    };
    await expect.poll(network, soon).toBe("other");
    await libvirt.virsh("destroy", "web1");
    await libvirt.virsh("net-destroy", "other");
    await expect.poll(() => nft("list", "table", "inet", "virtwall")).not.toContain("virbr9");
    await libvirt.virsh("net-undefine", "other");
  });

  test("a guest that is defined, started, destroyed and undefined leaves nothing", async () => {
    await libvirt.startGuest(web1);
    await libvirt.virsh("define", await xmlFile("defined", await libvirt.virsh("dumpxml", "web1")));
    await expect.poll(isPublished).toBe(true);
    await libvirt.virsh("undefine", "web1");
    expect(await isPublished()).toBe(true);
    await libvirt.virsh("define", join(world.folder, "defined.xml"));
    await libvirt.virsh("destroy", "web1");
    await expect.poll(isPublished).toBe(false);
    await libvirt.virsh("start", "web1", "--paused");
    await expect.poll(isPublished).toBe(true);
    await libvirt.virsh("destroy", "web1");
    await expect.poll(isPublished).toBe(false);
    await libvirt.virsh("undefine", "web1");
  });

  test("a reservation that is added to a running network is followed at once", async () => {
    const mac = "52:54:00:00:00:0b";
    await libvirt.startGuest({ name: "web2", mac, paused: true });
    const host = `<host mac='${mac}' ip='192.168.122.77'/>`;
    await libvirt.virsh("net-update", "default", "add", "ip-dhcp-host", host, "--live");
    const status = () => virtwall(world, "status", "--json");
    await expect.poll(status, soon).toContain("192.168.122.77");
    await libvirt.virsh("destroy", "web2");
  });
}

describe("without hooks", () => {
  beforeAll(begin);
  afterAll(end);

  followsEvents();

  test("a guest that comes with the MAC address of one that runs takes nothing away from it", async () => {
    // In libvirt's listing the later one comes first.
    const uuid = (first: string) => `<uuid>${first}0000000-0000-4000-8000-000000000000</uuid>`;
    await libvirt.startGuest({ ...web1, domainXml: uuid("f") });
    const tap = await tapOf("web1", web1.mac);
    await expect.poll(bridgeTable).toContain(`"${tap}"`);
    await libvirt.startGuest({ ...web1, name: "clone", domainXml: uuid("1") });
    const cloned = await tapOf("clone", web1.mac);
    const events = () => virtwall(world, "events");
    await expect.poll(events).toContain("a nic of guest 'clone' is left out");
    expect(await bridgeTable()).toContain(`"${tap}"`);
    expect(await bridgeTable()).not.toContain(`"${cloned}"`);
    await libvirt.virsh("destroy", "web1");
    await expect.poll(bridgeTable).toContain(`"${cloned}"`);
    await libvirt.virsh("destroy", "clone");
  });

  test("the first guest on a bridge of the host's passes nothing before libvirt has named it", async () => {
    for (const words of ["link add br0 type bridge", "link set br0 up"])
      await world.must(["ip", ...words.split(" ")]);
    const monitor = await world.start(["nft", "monitor", "elements"]);
    await libvirt.startGuest({ ...web1, name: "first", bridge: "br0" });
    const tap = await tapOf("first", web1.mac);
    await expect.poll(() => monitor.stdout()).toContain(`virtwall taps { "${tap}" }`);
    expect(monitor.stdout()).not.toContain("foreign_taps");
    await monitor.end();
    await libvirt.virsh("destroy", "first");
  });

  test("a nic that a guest lets go of is forgotten", async () => {
    await libvirt.startGuest({ ...web1, name: "web3", paused: false });
    // Only a guest that runs can give a nic back.
    await libvirt.untilServing("web3");
    const file = await xmlFile("second", second);
    await libvirt.virsh("attach-device", "web3", file, "--live");
    const tap = await tapOf("web3", "52:54:00:00:00:0a");
    await expect.poll(bridgeTable).toContain(`"${tap}"`);
    await libvirt.virsh("detach-device", "web3", file, "--live");
    await expect.poll(bridgeTable).not.toContain(`"${tap}"`);
    expect(await libvirt.virsh("domiflist", "web3")).not.toContain(tap);
    await libvirt.virsh("destroy", "web3");
  });
});

describe("with hooks", () => {
  beforeAll(async () => {
    await begin();
    // An admin's own, which libvirt runs after ours: what it sees is what stood when ours had ended.
    await mkdir(world.pathOf("/etc/libvirt/hooks/qemu.d"), { recursive: true });
    const probe = `#!/bin/sh\nnft list ruleset >"/run/seen-$1-$2"\nwhile [ -e "/run/held-$1" ]; do sleep 0.05; done\n`;
    await writeFile(world.pathOf("/etc/libvirt/hooks/qemu.d/zz-admin"), probe, { mode: 0o755 });
  });
  afterAll(end);

  const seen = (operation: string) =>
    readFile(world.pathOf(`/run/seen-web1-${operation}`), "utf8").catch(() => "");

  test("a libvirt that runs since before there was a hook is named, and sees them after its restart", async () => {
    const installed = await world.must([process.execPath, program, "hook", "install"]);
    expect(installed).toMatch(/libvirtd \(pid \d+\) runs since .*Z, when there was no such hook/);
    expect(installed).toContain("systemctl restart libvirtd");
    await libvirt.restart();
    expect(await virtwall(world, "hook", "status")).toMatch(
      /^qemu +installed .*\nnetwork +installed .*\n$/,
    );
  });

  test("the guest's rules stand before it is run, and before libvirt says that it has started", async () => {
    await libvirt.startGuest(web1);
    const tap = await tapOf("web1", web1.mac);
    for (const operation of ["start", "started"]) {
      expect(await seen(operation)).toContain(
        `${uplink.address} . tcp . 8080 : 192.168.122.51 . 80`,
      );
      expect(await seen(operation)).toContain(`"${tap}"`);
    }
  });

  test("a guest that has stopped is out of force before libvirt takes its tap away", async () => {
    await libvirt.virsh("destroy", "web1");
    expect(await seen("stopped")).not.toBe("");
    expect(await seen("stopped")).not.toContain(`${uplink.address} . tcp . 8080 :`);
  });

  followsEvents();

  test("while libvirt waits for one guest's hook and lists none, the others' nics are followed", async () => {
    await libvirt.startGuest(web1);
    const held = world.pathOf("/run/held-slow");
    await writeFile(held, "");
    const slow = libvirt.startGuest({ name: "slow", mac: "52:54:00:00:00:0c", paused: true });
    try {
      const began = () => readFile(world.pathOf("/run/seen-slow-prepare"), "utf8").catch(() => "");
      await expect.poll(began).not.toBe("");
      await libvirt.virsh("attach-device", "web1", await xmlFile("second", second), "--live");
      const tap = await tapOf("web1", "52:54:00:00:00:0a");
      await expect.poll(bridgeTable).toContain(`"${tap}"`);
      expect(await virtwall(world, "events")).toContain("libvirt does not list the guests");
    } finally {
      await rm(held);
      await slow;
    }
    await libvirt.virsh("destroy", "slow");
    await libvirt.virsh("destroy", "web1");
  });

  /** As XML writes them, and as they are. */
  test.each([
    ["it&apos;s &quot;a&quot; &lt;b&gt; &amp;c", `it's "a" <b> &c`],
    ["-e", "-e"],
    ["g\u00e4st\u202e for domain &apos;web1&apos;", "g\u00e4st\u202e for domain 'web1'"],
    ["tab&#9;", "tab\t"],
  ])("a guest of the odd name %s is known by its nics, and forgotten", async (xml, name) => {
    await libvirt.startGuest({ ...web1, name: xml });
    const domain = `--domain=${name}`;
    const file = await xmlFile("second", second);
    await libvirt.virsh("attach-device", domain, `--file=${file}`, "--live");
    const rows = await libvirt.virsh("domiflist", domain);
    const taps = [...rows.matchAll(/vnet\d+/g)].map(([tap]) => `"${tap}"`);
    expect(taps).toHaveLength(2);
    for (const tap of taps) await expect.poll(bridgeTable).toContain(tap);
    await libvirt.virsh("destroy", domain);
    for (const tap of taps) await expect.poll(bridgeTable).not.toContain(tap);
  });

  test("a restart of libvirt while the daemon is away keeps a required guest running", async () => {
    await libvirt.startGuest(web1);
    await daemon.end("SIGKILL");
    await libvirt.restart();
    expect(await libvirt.virsh("list", "--name")).toContain("web1");
    await libvirt.virsh("destroy", "web1");
  });

  test("a required guest does not start while the daemon is away, any other does", async () => {
    await expect(libvirt.startGuest(web1)).rejects.toThrow(/this guest is required/);
    await libvirt.startGuest({ name: "web2", mac: "52:54:00:00:00:02", paused: true });
    daemon = await startVirtwall(world);
    await libvirt.startGuest(web1);
    expect(await isPublished()).toBe(true);
    await libvirt.virsh("destroy", "web1");
    await libvirt.virsh("destroy", "web2");
  });

  test("guests that libvirt starts by itself have their rules, though it answers nobody until they run", async () => {
    await libvirt.startGuest(web1);
    await libvirt.virsh("define", await xmlFile("own", await libvirt.virsh("dumpxml", "web1")));
    await libvirt.virsh("autostart", "web1");
    await libvirt.virsh("net-autostart", "default");
    await libvirt.virsh("destroy", "web1");
    await libvirt.virsh("net-destroy", "default");
    await rm(world.pathOf("/run/seen-web1-start"), { force: true });
    await daemon.end("SIGKILL");
    await world.must(["sh", "-c", endGateAndLibvirt]);
    await nft("flush", "ruleset");
    daemon = await world.start([process.execPath, program, "daemon"]);
    // The unit starts it before libvirt.
    const status = () => world.run([process.execPath, program, "status", "--json"]);
    await expect.poll(async () => (await status()).stdout).toContain(`"pid": ${daemon.pid},`);
    await world.must(["libvirtd", "-d"]);
    await expect.poll(() => seen("start")).toContain(": 192.168.122.51 . 80");
    await expect.poll(() => libvirt.virsh("list", "--name")).toContain("web1");
    expect(daemon.output()).not.toContain("hook-refused");
    await libvirt.virsh("destroy", "web1");
    await libvirt.virsh("undefine", "web1");
    await libvirt.virsh("net-autostart", "default", "--disable");
  });

  test("uninstalled, our hooks are gone and the admin's are called", async () => {
    await virtwall(world, "hook", "uninstall");
    await rm(world.pathOf("/run/seen-web1-start"), { force: true });
    await libvirt.startGuest(web1);
    expect(await seen("start")).not.toBe("");
    await expect.poll(isPublished).toBe(true);
  });
});
