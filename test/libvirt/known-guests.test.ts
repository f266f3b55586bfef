import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import { startLibvirt, type Libvirt } from "../../lab/libvirt.ts";
import { startVirtwall } from "../../lab/virtwall.ts";
import { startWorld, type World } from "../../lab/world.ts";

let world: World;
let libvirt: Libvirt;

const second = `<interface type='network'>
  <source network='default'/><model type='virtio'/>
</interface>`;
/** The same virsh, which writes down what it is asked. */
const listenIn = `set -e
cp "$(command -v virsh)" /run/virsh
printf '#!/bin/sh\ntee -a /run/asked | /run/virsh "$@"\n' >/run/virsh-heard
chmod 755 /run/virsh-heard
: >/run/asked
mount --bind /run/virsh-heard "$(command -v virsh)"`;

beforeAll(async () => {
  world = await startWorld();
  libvirt = await startLibvirt(world);
  await world.must(["sh", "-c", listenIn]);
  await startVirtwall(world);
  for (const [index, name] of ["web1", "web2", "web3"].entries()) {
    await libvirt.startGuest({ name, mac: `52:54:00:00:00:0${index}`, paused: true });
  }
});
afterAll(() => world?.stop());

const taps = () => world.must(["nft", "list", "set", "bridge", "virtwall", "taps"]);
const uuidOf = async (name: string) => (await libvirt.virsh("domuuid", name)).trim();

/** The guests whose XML libvirt was asked for since this was called last. */
async function asked(): Promise<Set<string>> {
  const file = world.pathOf("/run/asked");
  const text = await readFile(file, "utf8");
  await writeFile(file, "");
  return new Set([...text.matchAll(/^dumpxml (\S+)$/gm)].map(([, uuid = ""]) => uuid));
}

/** The same until a second goes by without a question: libvirt and the host may tell of one thing several times. */
async function askedInAll(): Promise<Set<string>> {
  const all = new Set<string>();
  for (;;) {
    await setTimeout(1_000);
    const more = await asked();
    if (more.size === 0) return all;
    for (const uuid of more) all.add(uuid);
  }
}

/** Answers its last tap. */
async function untilKnown(guest: string): Promise<string> {
  const rows = await libvirt.virsh("domiflist", guest);
  const [tap] = /vnet\d+(?![^]*vnet)/.exec(rows) ?? ["none"];
  await expect.poll(taps).toContain(`"${tap}"`);
  return tap;
}

test("libvirt is asked about the guest that something happened to, and about no other", async () => {
  for (const name of ["web1", "web2", "web3"]) await untilKnown(name);
  await askedInAll();
  const file = join(world.folder, "second.xml");
  await writeFile(file, second);
  await libvirt.virsh("attach-device", "web2", file, "--live");
  await untilKnown("web2");
  expect(await askedInAll()).toEqual(new Set([await uuidOf("web2")]));
  await libvirt.startGuest({ name: "web4", mac: "52:54:00:00:00:04", paused: true });
  const tap = await untilKnown("web4");
  const web4 = await uuidOf("web4");
  expect([...(await askedInAll())].filter((uuid) => uuid !== web4)).toEqual([]);
  await libvirt.virsh("destroy", "web4");
  await expect.poll(taps).not.toContain(`"${tap}"`);
  expect([...(await askedInAll())].filter((uuid) => uuid !== web4)).toEqual([]);
});
