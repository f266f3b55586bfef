import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { caseFolder } from "../world/case-folders.ts";
import { tablesOfCase } from "../world/compile-case.ts";
import { loadRuleset, readHostFirewall } from "../world/host-firewall.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { createWorld, type World } from "../world/world.ts";

/*
 * Whoever is let in by address may not be impersonated: a datagram that bears a guest's address is believed only where that guest's
 * network is.
 */

const { folder, inventory } = caseFolder("publish-from");
const policy = `
host:
  input:
    - { allow: tcp/22 }
    - { allow: udp/9001, from: ["group:clients"] }
groups:
  clients: {}
  closed: { ingress: [{ allow: udp/9000, from: ["group:clients"] }] }
networks:
  front: { mode: nat }
  dmz: { mode: route }
guests:
  web1: { publish: [{ ports: [udp/9000], from: ["group:clients"] }] }
  app1: { groups: [clients] }
  app2: { groups: [closed] }
`;
const impersonated = { four: "10.21.0.11", six: "fd00:21::11" };

let world: World;

beforeAll(async () => {
  world = await createWorld(await readWorldSpec(inventory));
  await Promise.all(["web1", "app2"].map((name) => world.agent(name).listen("udp", 9000)));
  await world.agent("host").listen("udp", 9001);
  for (const liar of ["world", "web2", "any1"]) {
    await world.inside(liar, ["ip", "addr", "add", `${impersonated.four}/32`, "dev", "lo"]);
    await world.inside(liar, ["ip", "addr", "add", `${impersonated.six}/128`, "dev", "lo"]);
  }
});
afterAll(() => world?.close());

/** Whether the listener heard a datagram that bears the address of app1. */
async function isBelieved(
  from: string,
  listener: string,
  host: string,
  port = 9000,
): Promise<boolean> {
  const source = host.includes(":") ? impersonated.six : impersonated.four;
  await world.agent(listener).heard(port);
  await world.agent(from).attempt("udp", { host, port, source, timeoutMs: 150 });
  return (await world.agent(listener).heard(port)).includes(source);
}

const ways = [
  ["world", "web1", "198.51.100.1"],
  ["world", "web1", "2001:db8:1::1"],
  ["world", "app2", "10.21.0.12"],
  ["world", "app2", "fd00:21::12"],
  ["web2", "web1", "198.51.100.1"],
  ["web2", "web1", "2001:db8:1::1"],
  ["any1", "web1", "198.51.100.1"],
  ["any1", "web1", "2001:db8:1::1"],
] as const;

describe("a datagram with the address of a guest of another network", () => {
  test.each(["world", "web2", "any1"])(
    "arrives from %s where there is no ruleset",
    async (liar) => {
      await world.onHost(["nft", "flush", "ruleset"]);
      for (const host of ["10.21.0.12", "fd00:21::12"]) {
        expect(await isBelieved(liar, "app2", host)).toBe(true);
      }
      for (const host of ["10.21.0.1", "fd00:21::1"]) {
        expect(await isBelieved(liar, "host", host, 9001)).toBe(true);
      }
    },
  );

  test.each(ways)("from %s does not reach %s at %s", async (from, listener, host) => {
    await loadRuleset(world, await readHostFirewall(folder), await tablesOfCase(folder, policy));
    expect(await isBelieved(from, listener, host)).toBe(false);
  });

  test("from its own guest does", async () => {
    expect(await isBelieved("app1", "web1", "198.51.100.1")).toBe(true);
    expect(await isBelieved("app1", "web1", "2001:db8:1::1")).toBe(true);
  });
});

describe("by the host's own input, a datagram with the address of a guest", () => {
  beforeAll(async () => {
    const firewall = await readHostFirewall(caseFolder("host-input").folder);
    await loadRuleset(world, firewall, await tablesOfCase(folder, policy));
  });

  test.each([
    ["world", "198.51.100.1"],
    ["world", "2001:db8:1::1"],
    ["web2", "10.20.0.1"],
    ["web2", "fd00:20::1"],
    ["any1", "10.23.0.1"],
    ["any1", "fd00:23::1"],
  ] as const)("is not believed from %s at %s", async (from, host) => {
    expect(await isBelieved(from, "host", host, 9001)).toBe(false);
  });

  test("is believed from that guest", async () => {
    expect(await isBelieved("app1", "host", "10.21.0.1", 9001)).toBe(true);
    expect(await isBelieved("app1", "host", "fd00:21::1", 9001)).toBe(true);
  });
});

describe("where libvirt knows no address of the liar's network, a datagram with the address of a guest", () => {
  beforeAll(async () => {
    const copy = await mkdtemp(join(tmpdir(), "virtwall-"));
    await cp(folder, copy, { recursive: true, dereference: true });
    const network = join(copy, "inventory/networks/plain.xml");
    const xml = await readFile(network, "utf8");
    await writeFile(network, xml.replaceAll(/<ip [^]*<\/ip>/g, ""));
    await loadRuleset(world, await readHostFirewall(folder), await tablesOfCase(copy, policy));
    await rm(copy, { recursive: true });
  });

  test.each([
    ["any1", "web1", "198.51.100.1", 9000],
    ["any1", "web1", "2001:db8:1::1", 9000],
    ["any1", "host", "10.23.0.1", 9001],
    ["any1", "host", "fd00:23::1", 9001],
  ] as const)("from %s does not reach %s at %s", async (from, listener, host, port) => {
    expect(await isBelieved(from, listener, host, port)).toBe(false);
  });
});
