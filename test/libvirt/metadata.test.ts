import { afterAll, beforeAll, expect, test } from "vitest";

import { fetchPage } from "../../lab/fetch-page.ts";
import { asClient, uplink } from "../../lab/uplink.ts";
import { startHypervisor, type Hypervisor } from "./hypervisor.ts";

const publicPage = `http://${uplink.address}:8080/`;
const namespace = "https://virtwall.dev/guest/1";

let hypervisor: Hypervisor;

beforeAll(async () => {
  hypervisor = await startHypervisor({
    guests: [{ name: "web1", mac: "52:54:00:00:00:01" }],
    policy: "groups: { web: {} }\nguests: { web1: { groups: web } }\n",
  });
});

afterAll(async () => {
  await hypervisor?.stop();
});

const asked = () => fetchPage(hypervisor.world, publicPage, { from: asClient, timeoutMs: 3_000 });
const live = () => hypervisor.libvirt.virsh("dumpxml", "web1");

test("a publication in the guest's own XML is in force at once, and seen in virsh", async () => {
  const port = ["web1", "tcp/8080:80", "--address", uplink.address, "--in-guest"];
  expect(await hypervisor.virtwall("publish", "add", ...port)).toContain("in force");
  expect(await asked()).toBe("I am web1\n");
  expect(await live()).toContain(`<virtwall:guest xmlns:virtwall="${namespace}">`);
  expect(await hypervisor.virtwall("publish", "list")).toMatch(/tcp\/8080:80 .*in guest/);
});

test("a second one is added, and a mistake in one is refused before libvirt hears of it", async () => {
  await hypervisor.virtwall("publish", "add", "web1", "tcp/8443:80", "--in-guest");
  const before = await live();
  expect(before.match(/<virtwall:publish>/g)).toHaveLength(2);
  const wrong = ["publish", "add", "web1", "tcp/0", "--in-guest"];
  await expect(hypervisor.virtwall(...wrong)).rejects.toThrow("left as it is");
  expect(await live()).toBe(before);
});

test("what virsh itself sets is followed without a command of ours", async () => {
  const xml = `<guest><publish><address>${uplink.address}</address><ports>tcp/8081:80</ports></publish></guest>`;
  const place = ["metadata", "web1", "--uri", namespace, "--key", "virtwall"];
  await hypervisor.libvirt.virsh(...place, "--set", xml, "--live");
  const page = `http://${uplink.address}:8081/`;
  const fetched = () => fetchPage(hypervisor.world, page, { from: asClient, timeoutMs: 1_000 });
  await expect.poll(() => fetched().catch(() => "")).toBe("I am web1\n");
});

test("what is removed is in force no more, and leaves no metadata of ours behind", async () => {
  await hypervisor.virtwall("publish", "remove", "web1", "tcp/8081:80", "--in-guest");
  expect(await live()).not.toContain("virtwall:guest");
  expect(await hypervisor.virtwall("publish", "list")).toBe("nothing is published\n");
});
