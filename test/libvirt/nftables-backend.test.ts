import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import { fetchPage } from "../../lab/fetch-page.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { startStream } from "../../lab/stream/start-stream.ts";
import { trixieRoot } from "../../lab/trixie.ts";
import { asClient, client } from "../../lab/uplink.ts";
import { served, startServing, type Hypervisor } from "./hypervisor.ts";
import { expectNothingLost } from "./nothing-lost.ts";
import { expectWholeIsolation } from "./whole-isolation.ts";

const publicPage = `http://${served.address}:${served.httpPort}/`;

let hypervisor: Hypervisor;

// Debian 13: libvirt 11.3 rejects new connections in its own `libvirt_network` tables, nft is 1.1.3.
beforeAll(async () => {
  hypervisor = await startServing({ root: await trixieRoot() });
}, 900_000);

afterAll(async () => {
  await hypervisor?.stop();
});

async function libvirtForward(): Promise<string> {
  const listing = ["nft", "list", "chain", "ip", "libvirt_network", "forward"];
  return (await hypervisor.world.run(listing)).stdout;
}

test("a publication passes the reject of libvirt's own table, and the guest sees the client", async () => {
  const page = await fetchPage(hypervisor.world, publicPage, { from: asClient });
  expect(page).toBe("I am web1\n");
  const url = `${publicPage}cgi-bin/whoami`;
  expect(await fetchPage(hypervisor.world, url, { from: asClient })).toBe(`${client.address}\n`);
});

test("the pass rule comes back, once, when libvirt writes its tables anew", async () => {
  await hypervisor.libvirt.restart();
  await expect
    .poll(async () => (await libvirtForward()).match(/comment "virtwall"/g)?.length, {
      timeout: 10_000,
    })
    .toBe(1);
  await expect
    .poll(() => fetchPage(hypervisor.world, publicPage, { from: asClient }))
    .toBe("I am web1\n");
});

/** What one examination of doctor says, and its exit status. */
async function doctor(...words: readonly string[]) {
  const program = [process.execPath, join(projectRoot(), "bin", "virtwall")];
  const { status, stdout } = await hypervisor.world.run([...program, "doctor", ...words]);
  return { status, stdout };
}

test("doctor knows which backend libvirt uses, and takes away what the other has left", async () => {
  const { world } = hypervisor;
  const state = await world.must(["cat", "/run/libvirt/network/default.xml"]);
  expect(state).toMatch(/<firewall [^>]*backend='nftables'/);
  await world.must(["iptables", "-N", "LIBVIRT_FWI"]);
  await world.must(["iptables", "-I", "FORWARD", "-j", "LIBVIRT_FWI"]);
  expect(await doctor("libvirt-leftovers", "libvirt-rules")).toMatchObject({
    status: 1,
    stdout: expect.stringContaining("seen: iptables -t filter: chain LIBVIRT_FWI"),
  });
  expect(await doctor("libvirt-leftovers", "libvirt-rules", "--fix")).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("mended: libvirt-leftovers: iptables: -D FORWARD"),
  });
  expect(await world.must(["iptables-save"])).not.toContain("LIBVIRT");
});

test("adopted and given back, the guest is reached as before, by libvirt's tables or without", async () => {
  const { virtwall, world } = hypervisor;
  const bridged = async () =>
    (await world.must(["nft", "list", "ruleset", "ip"])).includes("virbr0");
  const page = () => fetchPage(world, publicPage, { from: asClient });
  await virtwall("adopt", "default");
  expect(await bridged()).toBe(false);
  await expect.poll(page).toBe("I am web1\n");
  await virtwall("adopt", "default", "--undo");
  expect(await bridged()).toBe(true);
  await expect.poll(page).toBe("I am web1\n");
});

test("after a flush that libvirt does not survive, and its restarts, nobody gets past the publication", () =>
  expectWholeIsolation(hypervisor, publicPage));

test("restarts of the host firewall cost no packet, though they take libvirt's tables along", async () => {
  await hypervisor.virtwall("integrate", "--file", hypervisor.firewall.file);
  await hypervisor.firewall.restart();
  const stream = await startStream(hypervisor.world, served);
  for (let done = 0; done < 20; done += 1) {
    await hypervisor.firewall.restart();
    await setTimeout(50);
  }
  const report = await stream.end();
  expect(await libvirtForward()).toBe("");
  expect(await doctor("libvirt-rules")).toMatchObject({
    status: 1,
    stdout: expect.stringMatching(/network 'default' are gone[^]*twice/),
  });
  expectNothingLost(report);
});
