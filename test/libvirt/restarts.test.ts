import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import { startStream } from "../../lab/stream/start-stream.ts";
import { served, startServing, type Hypervisor } from "./hypervisor.ts";
import { expectNothingLost } from "./nothing-lost.ts";
import { expectWholeIsolation } from "./whole-isolation.ts";

let hypervisor: Hypervisor;

beforeAll(async () => {
  hypervisor = await startServing();
});

afterAll(async () => {
  await hypervisor?.stop();
});

/** Our rules with their handles, which a rule or element that is written again does not keep; without what counts on. */
async function ourRules(): Promise<string> {
  const tables = ["inet", "bridge"].map((family) =>
    hypervisor.world.must(["nft", "-a", "list", "table", family, "virtwall"]),
  );
  const text = (await Promise.all(tables)).join("");
  return text.replace(/packets \d+ bytes \d+/g, "");
}

/** New connections that the publication has admitted: the counter of an element, which falls to nothing with it. */
async function admitted(): Promise<number> {
  const listing = await hypervisor.world.must(["nft", "list", "map", "inet", "virtwall", "admit4"]);
  const counts = /udp \. 7007 counter packets (\d+)/.exec(listing);
  return Number(counts?.[1]);
}

const cases: readonly (readonly [string, () => Promise<unknown>])[] = [
  ["libvirtd restarted", () => hypervisor.libvirt.restart()],
  ["libvirtd killed, and started again", () => hypervisor.libvirt.crash()],
  ["libvirtd reloaded", () => hypervisor.libvirt.reload()],
  [
    "the daemon ended, and started again",
    async () => {
      await hypervisor.daemon().end("SIGTERM");
      await setTimeout(300);
      await hypervisor.startDaemon();
    },
  ],
  [
    "the daemon killed, and started again",
    async () => {
      await hypervisor.daemon().end("SIGKILL");
      await setTimeout(300);
      await hypervisor.startDaemon();
    },
  ],
];

test.each(cases)(
  "%s under load: no packet is lost, and nothing is written again",
  async (_, disturb) => {
    const before = await ourRules();
    const count = await admitted();
    const stream = await startStream(hypervisor.world, served);
    await setTimeout(300);
    await disturb();
    await setTimeout(1_500);
    const report = await stream.end();
    expect(report.datagrams.sent).toBeGreaterThan(500);
    expectNothingLost(report);
    expect(await ourRules()).toBe(before);
    expect(await admitted()).toBeGreaterThan(count);
  },
);

test("after a flush that libvirt does not survive, and its restarts, nobody gets past the publication", () =>
  expectWholeIsolation(hypervisor, `http://${served.address}:${served.httpPort}/`));

test("a libvirt without an nftables backend is not migrated to it", async () => {
  await expect(hypervisor.virtwall("migrate", "--to", "nftables")).rejects.toThrow(
    /libvirt 9\.0\.0 has no nftables backend: it came with 10\.4[^]*nothing was changed/,
  );
});
