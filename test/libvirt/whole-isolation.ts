import { expect } from "vitest";

import { fetchPage } from "../../lab/fetch-page.ts";
import { asClient, client, uplink } from "../../lab/uplink.ts";
import type { Hypervisor } from "./hypervisor.ts";

const quietNetwork = `<network>
  <name>quiet</name>
  <bridge name='virbr7'/>
  <ip address='192.168.127.1' netmask='255.255.255.0'><dhcp><range start='192.168.127.10' end='192.168.127.20'/></dhcp></ip>
</network>`;

/**
 * After a flush libvirt's rules are gone: on SIGHUP none of them comes back (9.0, 12.8), after a restart not all that were there (12.8).
 * Whatever is left of them, a guest of a NAT network is reached by its publication and not past it, and one of an isolated network by the
 * host alone, and reaches nobody else.
 */
export async function expectWholeIsolation(
  hypervisor: Hypervisor,
  publicPage: string,
): Promise<void> {
  const { world, libvirt, addresses } = hypervisor;
  const patience = { timeout: 30_000 };
  await libvirt.startNetwork(quietNetwork);
  await libvirt.startGuest({ name: "quiet1", mac: "52:54:00:00:00:71", network: "quiet" });
  const [served = "", quiet] = [addresses.get("web1"), await libvirt.untilServing("quiet1")];
  const fetch = (url: string) => fetchPage(world, url, { from: asClient, timeoutMs: 2_000 });
  // Asked by the host: what a ping of the guest's own comes to.
  const ping = (guest: string, to: string) =>
    fetchPage(world, `http://${guest}/cgi-bin/ping?${to}`, { timeoutMs: 10_000 });
  const routes = [served, quiet].map((address) => [`${address}/32`, "via", uplink.address]);
  for (const route of routes) await world.must([...asClient, "ip", "route", "replace", ...route]);
  const expectClosed = async () => {
    await expect.poll(() => fetch(publicPage), patience).toBe("I am web1\n");
    await expect.poll(() => ping(served, client.address), patience).toBe("open\n");
    await expect.poll(() => ping(quiet, client.address), patience).toBe("closed\n");
    const pages = [served, quiet].map((guest) => fetch(`http://${guest}/`));
    expect(await Promise.all(pages)).toEqual(["", ""]);
    const pings = [ping(quiet, served), ping(served, quiet)];
    expect(await Promise.all(pings)).toEqual(["closed\n", "closed\n"]);
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
  for (const network of ["default", "quiet"]) {
    await libvirt.virsh("net-destroy", network);
    await libvirt.virsh("net-start", network);
  }
  await expectClosed();
  expect(await ruled()).not.toBeNull();
  for (const route of routes) await world.must([...asClient, "ip", "route", "del", ...route]);
  await libvirt.virsh("destroy", "quiet1");
  for (const word of ["net-destroy", "net-undefine"]) await libvirt.virsh(word, "quiet");
}
