import { expect, test } from "vitest";
import { sourceContract } from "./sources-contract.fake.ts";
import { FakeHost, FakeLibvirt, FakePolicy } from "./sources.fake.ts";
import { SourceError } from "./sources.ts";

sourceContract("fake policy", async () => {
  const policy = new FakePolicy([]);
  return Object.assign(policy, {
    change: () => policy.setText("guests: {}"),
    close: () => undefined,
  });
});

sourceContract("fake libvirt", async () => {
  const libvirt = new FakeLibvirt({ networks: [], guests: [], leases: [] });
  const guests = [{ file: "web.xml", text: "<domain/>" }];
  const change = () => libvirt.set({ networks: [], guests, leases: [] });
  return Object.assign(libvirt, { change, close: () => undefined });
});

test("a fake that fails refuses, and is well again once it is set", async () => {
  const host = new FakeHost([]);
  host.fail("ip is gone");
  await expect(host.read()).rejects.toThrow(SourceError);
  host.set([]);
  await expect(host.read()).resolves.toEqual([]);
});
