import { expect } from "vitest";

import { fetchPage } from "../../lab/fetch-page.ts";
import { asClient, uplink } from "../../lab/uplink.ts";
import type { Hypervisor } from "./hypervisor.ts";

/**
 * After a flush libvirt's rules are gone: on SIGHUP none of them comes back (9.0, 12.8), after a restart not all that were there (12.8).
 * Whatever is left of them, a guest of a NAT network is reached by its publication and not past it.
 */
export async function expectWholeIsolation(
  hypervisor: Hypervisor,
  publicPage: string,
): Promise<void> {
  const { world, libvirt, addresses } = hypervisor;
  const patience = { timeout: 30_000 };
  const fetch = (url: string) => fetchPage(world, url, { from: asClient, timeoutMs: 2_000 });
  const privatePage = `http://${addresses.get("web1") ?? ""}/`;
  const route = ["192.168.122.0/24", "via", uplink.address];
  await world.must([...asClient, "ip", "route", "replace", ...route]);
  const expectClosed = async () => {
    await expect.poll(() => fetch(publicPage), patience).toBe("I am web1\n");
    expect(await fetch(privatePage)).toBe("");
  };
  const ruled = async () => (await world.must(["nft", "list", "ruleset"])).match(/libvirt/gi);
  await expectClosed();
  await world.must(["nft", "flush", "ruleset"]);
  expect(await ruled()).toBeNull();
  await expectClosed();
  await libvirt.reload();
  await expectClosed();
  await libvirt.restart();
  await expectClosed();
  await libvirt.virsh("net-destroy", "default");
  await libvirt.virsh("net-start", "default");
  await expectClosed();
  expect(await ruled()).not.toBeNull();
  await world.must([...asClient, "ip", "route", "del", ...route]);
}
