import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { projectRoot } from "../../lab/project-root.ts";
import type { NicBinding } from "../../src/cli/nic-bindings.ts";
import type { GuestAdoptResult } from "../../src/cli/nwfilter-adopt.ts";
import { startHypervisor, type Hypervisor } from "./hypervisor.ts";
import { interrupted } from "./interrupted.ts";

const mac = "52:54:00:00:00:66";
const inWatcher = ["ip", "netns", "exec", "watcher"] as const;
const program = [process.execPath, join(projectRoot(), "bin", "virtwall")];

/** Frames of the guest with an address that is not its own, where another port of the bridge hears them. */
const counters = `table netdev seen {
  chain frames {
    type filter hook ingress device "eth0" priority 0; policy accept;
    ether saddr ${mac} ip saddr 192.168.122.77 counter
    ether saddr ${mac} arp saddr ip 192.168.122.1 counter
  }
}
`;

let hypervisor: Hypervisor;
let before: { live: string; config: string };

beforeAll(async () => {
  hypervisor = await startHypervisor({ guests: [], policy: "{}\n" });
  const { world, libvirt } = hypervisor;
  const commands = [
    "netns add watcher",
    "link add watch0 type veth peer name eth0 netns watcher",
    "link set watch0 master virbr0 up",
    "-n watcher link set eth0 up",
    "link set virbr0 type bridge stp_state 0",
    "link set virbr0 type bridge forward_delay 0",
  ];
  for (const command of commands) await world.must(["ip", ...command.split(" ")]);
  await world.must([...inWatcher, "nft", "-f", "-"], { input: counters });
  await libvirt.startGuest({
    name: "forger",
    mac,
    floods: true,
    interfaceXml: `<filterref filter='clean-traffic'>
        <parameter name='IP' value='192.168.122.50'/>
        <parameter name='IP' value='192.168.122.51'/>
      </filterref>`,
  });
  const file = join(world.folder, "forger.xml");
  await writeFile(file, await libvirt.virsh("dumpxml", "forger", "--inactive"));
  await libvirt.virsh("define", file);
  before = await sides();
  await hypervisor.virtwall("apply");
});

afterAll(async () => {
  await hypervisor?.stop();
});

async function sides(): Promise<{ live: string; config: string }> {
  const { virsh } = hypervisor.libvirt;
  return {
    live: await virsh("dumpxml", "forger"),
    config: await virsh("dumpxml", "forger", "--inactive"),
  };
}

async function forged(): Promise<number> {
  const listing = await hypervisor.world.must([
    ...inWatcher,
    "nft",
    "list",
    "table",
    "netdev",
    "seen",
  ]);
  return [...listing.matchAll(/packets (\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
}

/** What the guest tries to send, whether anybody lets it or not. */
async function attempts(): Promise<number> {
  const tap = /<target dev='([^']+)'/.exec((await sides()).live)?.[1] ?? "";
  const text = await hypervisor.world.must(["cat", `/sys/class/net/${tap}/statistics/rx_packets`]);
  return Number(text);
}

async function adopt(...words: readonly string[]): Promise<GuestAdoptResult> {
  const printed = await hypervisor.virtwall("nwfilter", "adopt", "forger", ...words, "--json");
  return JSON.parse(printed) as GuestAdoptResult;
}

async function bindings(): Promise<readonly NicBinding[]> {
  const printed = await hypervisor.virtwall("nwfilter", "bindings", "--json");
  return (JSON.parse(printed) as { bindings: NicBinding[] }).bindings;
}

const libvirtRules = async () =>
  (await hypervisor.world.must(["ebtables-save"]))
    .split("\n")
    .filter((line) => line.includes("vnet")).length;
const libvirtBindings = () => hypervisor.libvirt.virsh("nwfilter-binding-list");

test("libvirt's filter is libvirt's, and the guest that forges is heard by nobody", async () => {
  expect(await bindings()).toMatchObject([
    { guest: "forger", filter: "clean-traffic", enforcedBy: "libvirt" },
  ]);
  await expect.poll(attempts).toBeGreaterThan(200);
  expect(await forged()).toBe(0);
});

test("a dry run says what would be moved, and touches nothing", async () => {
  expect(await adopt("--dry-run")).toMatchObject({
    state: "possible",
    nics: [
      { mac, filter: "clean-traffic", parameters: { IP: ["192.168.122.50", "192.168.122.51"] } },
    ],
    obstacles: [],
  });
  expect(await sides()).toEqual(before);
});

test("^C in the midst of it leaves the guest to libvirt, and says so", async () => {
  const command = [...program, "nwfilter", "adopt", "forger"];
  const stopped = await interrupted(hypervisor.world, "--set", command);
  expect(stopped.status).toBe(3);
  expect(stopped.stderr).toMatch(/SIGINT: ends with its next step[^]*stopped by SIGINT/);
  const withoutEmpty = (xml: string) => xml.replace(/ *<metadata\/>\n/, "");
  const { live, config } = await sides();
  expect([live, config].map(withoutEmpty)).toEqual([before.live, before.config]);
  expect(await libvirtRules()).toBeGreaterThan(0);
  expect(await forged()).toBe(0);
});

test("adopted while it floods, libvirt's rules are gone, ours stand, and not one forged frame passed", async () => {
  const sent = await attempts();
  expect(await libvirtRules()).toBeGreaterThan(0);
  expect(await adopt()).toMatchObject({ state: "adopted" });
  expect(await libvirtRules()).toBe(0);
  expect((await libvirtBindings()).trim()).toBe("");
  expect(await bindings()).toMatchObject([
    { guest: "forger", filter: "clean-traffic", enforcedBy: "virtwall" },
  ]);
  const { live, config } = await sides();
  for (const xml of [live, config]) {
    expect(xml).not.toContain("filterref");
    expect(xml).toContain("<virtwall:filter>clean-traffic</virtwall:filter>");
    expect(xml).toContain("<virtwall:IP>192.168.122.51</virtwall:IP>");
  }
  await expect.poll(attempts).toBeGreaterThan(sent + 200);
  expect(await forged()).toBe(0);
});

test("adopted it holds over a restart of libvirt and of the daemon, and stop --clean leaves it judged", async () => {
  await hypervisor.libvirt.restart();
  await hypervisor.daemon().end("SIGTERM");
  await hypervisor.startDaemon();
  expect(await forged()).toBe(0);
  const refused = await hypervisor.world.run([...program, "stop", "--clean"]);
  expect(refused.status).toBe(3);
  expect(refused.stderr).toContain("virtwall nwfilter adopt forger --undo");
  const again = await hypervisor.world.run([...program, "nwfilter", "adopt", "forger"]);
  expect(again.stdout).toContain("libvirt's XML binds no nic of forger");
});

test("given back, libvirt judges it as before, its XML is what it was, and not one forged frame passed", async () => {
  expect(await adopt("--undo")).toMatchObject({ state: "given back" });
  expect(await libvirtRules()).toBeGreaterThan(0);
  expect(await bindings()).toMatchObject([{ enforcedBy: "libvirt" }]);
  const { live, config } = await sides();
  // libvirt gives the nic another port of the network whenever it is updated, and leaves an element that is empty.
  const without = (xml: string) =>
    xml.replace(/ *<metadata\/>\n/, "").replace(/portid='[^']*'/, "portid=''");
  expect({ live: without(live), config: without(config) }).toEqual({
    live: without(before.live),
    config: before.config,
  });
  expect(await forged()).toBe(0);
  const undone = await hypervisor.world.run([...program, "nwfilter", "adopt", "forger", "--undo"]);
  expect(undone.status).toBe(1);
});

test("a guest that does not run is adopted for its next start, and given back while it runs", async () => {
  const { virsh } = hypervisor.libvirt;
  await virsh("destroy", "forger");
  expect(await adopt()).toMatchObject({ state: "adopted" });
  await virsh("start", "forger");
  expect(await libvirtRules()).toBe(0);
  await expect.poll(bindings).toMatchObject([{ enforcedBy: "virtwall" }]);
  await expect.poll(attempts).toBeGreaterThan(200);
  expect(await adopt("--undo")).toMatchObject({ state: "given back" });
  expect(await libvirtRules()).toBeGreaterThan(0);
  const { live, config } = await sides();
  for (const xml of [live, config]) {
    expect(xml).toContain("<filterref filter='clean-traffic'>");
    expect(xml).not.toContain("virtwall:filter");
  }
  expect(await forged()).toBe(0);
});

test("a guest that policy binds to another filter is not adopted, and nothing is changed", async () => {
  const { world } = hypervisor;
  await writeFile(
    world.pathOf("/etc/virtwall/policy.yaml"),
    "guests: { forger: { filter: no-mac-spoofing } }\n",
  );
  const held = await sides();
  const refused = await world.run([...program, "nwfilter", "adopt", "forger"]);
  expect(refused.status).toBe(1);
  expect(refused.stdout).toContain("bound to 'no-mac-spoofing' by virtwall");
  expect(await sides()).toEqual(held);
});

test("without either the forged frames are heard, so that there was something to see", async () => {
  const { world, libvirt } = hypervisor;
  await writeFile(world.pathOf("/etc/virtwall/policy.yaml"), "{}\n");
  await hypervisor.virtwall("apply");
  const [nic = ""] = /<interface[^]*<\/interface>/.exec((await sides()).live) ?? [];
  const file = join(world.folder, "bare.xml");
  await writeFile(file, nic.replace(/<filterref[^]*<\/filterref>/, ""));
  await libvirt.virsh("update-device", "forger", file, "--live");
  await expect.poll(forged).toBeGreaterThan(0);
});
