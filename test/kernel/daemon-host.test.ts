import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { IpHost } from "../../src/edge/host/ip-host.ts";
import { sourceContract } from "../../src/ports/sources-contract.fake.ts";

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}

function makeUplink(): void {
  ip("link", "add", "up0", "type", "veth", "peer", "name", "far0");
  for (const link of ["up0", "far0"]) ip("link", "set", link, "up");
  ip("address", "add", "198.51.100.1/24", "dev", "up0");
  ip("address", "add", "2001:db8::1/64", "dev", "up0", "nodad");
}

sourceContract("ip", async () => {
  makeUplink();
  const host = new IpHost();
  return {
    // Link-local addresses come by themselves a moment later; they are not read.
    read: () => host.read(),
    watch: (listener) => host.watch(listener),
    change: async () => {
      // `ip monitor` does not say when it listens. What comes too early for it is told once it has had the time.
      await new Promise((resolve) => setTimeout(resolve, 100));
      ip("address", "add", "198.51.100.2/24", "dev", "up0");
    },
    close: () => ip("link", "del", "up0"),
  };
});

test("global addresses, default routes, bridges and kinds are read, loopback's and link-local's not", async () => {
  makeUplink();
  ip("link", "add", "br7", "type", "bridge");
  ip("link", "set", "far0", "master", "br7");
  ip("route", "add", "default", "via", "198.51.100.254");
  try {
    const links = await new IpHost().read();
    const named = (name: string) => links.find((link) => link.name === name);
    expect(named("up0")).toEqual({
      name: "up0",
      addresses: ["198.51.100.1", "2001:db8::1"],
      hasDefaultRoute: true,
      kind: "veth",
    });
    expect(named("far0")).toMatchObject({ master: "br7", hasDefaultRoute: false, addresses: [] });
    expect(named("far0")?.isHairpin).toBeUndefined();
    expect(named("br7")).toMatchObject({ kind: "bridge" });
    expect(named("lo")?.addresses).toEqual([]);
    ip("link", "set", "far0", "type", "bridge_slave", "hairpin", "on");
    const ports = (await new IpHost().read()).filter(({ isHairpin }) => isHairpin);
    expect(ports.map(({ name }) => name)).toEqual(["far0"]);
  } finally {
    ip("link", "del", "up0");
    ip("link", "del", "br7");
  }
});

test("a default route by several ways makes each of them an uplink", async () => {
  makeUplink();
  ip("route", "add", "default", "nexthop", "via", "198.51.100.254", "dev", "up0");
  try {
    const links = await new IpHost().read();
    expect(links.filter((link) => link.hasDefaultRoute).map(({ name }) => name)).toEqual(["up0"]);
  } finally {
    ip("link", "del", "up0");
  }
});
