import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { StateFolder } from "../../src/edge/files/state-folder.ts";
import { buildPrograms, nft, Site, until } from "./daemon-program.ts";

const policy = (host = "") => `${host}networks:
  front: { mode: nat }
guests:
  web1:
    publish:
      - { address: 198.51.100.1, ports: [tcp/80] }
`;

let site: Site;

beforeAll(buildPrograms);

beforeEach(() => {
  site = new Site(policy());
  nft("flush", "ruleset");
  nft(
    "add table inet filter; add chain inet filter forward { type filter hook forward priority 0; policy drop; }",
  );
  run("iptables", "-w", "-P", "FORWARD", "DROP");
  run("iptables", "-w", "-A", "FORWARD", "-i", "lo", "-j", "ACCEPT");
});

afterEach(async () => {
  await site.close();
  run("ip", "link", "del", "vnet0", "type", "tun");
});

function run(program: string, ...args: readonly string[]): string {
  return spawnSync(program, args, { encoding: "utf8" }).stdout;
}

/** All rules there are, by both programs' listings. */
function listings(): string {
  const saved = run("iptables-save") + run("ip6tables-save");
  return nft("list", "ruleset") + saved.replaceAll(/^#.*\n/gm, "");
}

/** One in the native table, one in iptables'. */
function passRules(): number {
  return listings().split(/ comment "virtwall"| --comment virtwall /).length - 1;
}

test("stop ends the daemon, and rules and gate stay", async () => {
  const daemon = await site.start();
  const gate = site.gatePid();
  const before = listings();
  const stopped = site.run(["stop", "--json"]);
  expect(stopped.status).toBe(0);
  expect(JSON.parse(stopped.stdout)).toEqual({
    daemon: daemon.child.pid,
    gate: null,
    isClean: false,
    failures: [],
  });
  expect(await daemon.ended).toBe(0);
  expect(listings()).toBe(before);
  expect(site.gatePid()).toBe(gate);
  expect(site.run(["stop"])).toMatchObject({ status: 0, stdout: /no daemon runs/ });
});

test("the way back of a network that is adopted is said as a shell takes it, whatever its name", async () => {
  const xml = { before: "", after: "" };
  const policy = { file: site.policyFile, before: undefined, after: undefined };
  await new StateFolder(site.state).saveAdoption({ network: "it's; mine", xml, policy, keys: {} });
  const refused = site.run(["stop", "--clean"]);
  expect(refused.status).toBe(3);
  expect(refused.stderr).toContain(String.raw`virtwall adopt 'it'\''s; mine' --undo`);
});

test("what changes libvirt is not done by what a folder says of it", () => {
  for (const words of [
    ["adopt", "front"],
    ["nwfilter", "adopt", "web1"],
    ["migrate", "--to", "nftables"],
  ]) {
    const refused = site.run(words);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain("leave out --inventory");
  }
});

test("stop --clean leaves all other rules as they were before, byte for byte, and no file", async () => {
  const before = listings();
  await site.start();
  await until(() => passRules() === 2);
  const gate = site.gatePid();
  const stopped = site.run(["stop", "--clean", "--json"]);
  expect(JSON.parse(stopped.stdout)).toMatchObject({ gate, isClean: true, failures: [] });
  expect(stopped.status).toBe(0);
  expect(listings()).toBe(before);
  expect(existsSync(site.state)).toBe(false);
  expect(existsSync(dirname(site.socket))).toBe(false);
  expect(readdirSync(site.folder)).toContain("policy.yaml");
});

test("stop --clean works without daemon and gate, and twice", async () => {
  const before = listings();
  const daemon = await site.start();
  await until(() => passRules() === 2);
  process.kill(site.gatePid() ?? 0, "SIGKILL");
  await daemon.kill("SIGKILL");
  for (const _ of [1, 2]) {
    expect(site.run(["stop", "--clean"])).toMatchObject({ status: 0, stderr: "" });
    expect(listings()).toBe(before);
  }
});

test("stop --clean takes the hairpin flag off guests' taps", async () => {
  run("ip", "tuntap", "add", "vnet0", "mode", "tap");
  run("ip", "link", "add", "virbr7", "type", "bridge");
  run("ip", "link", "set", "vnet0", "master", "virbr7");
  run("bridge", "link", "set", "dev", "vnet0", "hairpin", "on");
  await site.start();
  expect(run("bridge", "-d", "link", "show", "dev", "vnet0")).toContain("hairpin on");
  site.run(["stop", "--clean"]);
  expect(run("bridge", "-d", "link", "show", "dev", "vnet0")).toContain("hairpin off");
  run("ip", "link", "del", "virbr7");
});

test("integration: off takes away what auto has put, also under a daemon that starts later", async () => {
  const daemon = await site.start();
  await until(() => passRules() === 2);
  site.writePolicy(policy("host: { integration: off }\n"));
  await until(() => passRules() === 0);
  await daemon.said("pass-rules-removed");
  site.writePolicy(policy());
  await until(() => passRules() === 2);
  await daemon.kill("SIGTERM");
  site.writePolicy(policy("host: { integration: off }\n"));
  await site.start();
  await until(() => passRules() === 0);
});
