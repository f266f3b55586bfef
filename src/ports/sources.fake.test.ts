import { expect, test } from "vitest";
import { sourceContract } from "./sources-contract.fake.ts";
import { FakeFilters, FakeHost, FakeLibvirt, FakePolicy } from "./sources.fake.ts";
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

sourceContract("fake filters", async () => {
  const filters = new FakeFilters({ filters: [], ownFilters: [] });
  const ownFilters = [{ file: "web.xml", text: "<filter/>" }];
  const change = () => filters.set({ filters: [], ownFilters });
  return Object.assign(filters, { change, close: () => undefined });
});

test("a fake that fails refuses, and is well again once it is set", async () => {
  const host = new FakeHost([]);
  host.fail("ip is gone");
  await expect(host.read()).rejects.toThrow(SourceError);
  host.set([]);
  await expect(host.read()).resolves.toEqual([]);
});
