import { execFileSync, spawnSync } from "node:child_process";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  buildPrograms,
  holds,
  nft,
  programsWithoutKoffi,
  Site,
  until,
  type RunningDaemon,
} from "./daemon-program.ts";

const policy = `networks:
  front: { mode: nat }
guests:
  web1:
    publish:
      - { address: 198.51.100.1, ports: [tcp/80] }
`;

let programs: string;
let site: Site;
let daemon: RunningDaemon;

beforeAll(async () => {
  await buildPrograms();
  programs = programsWithoutKoffi();
});

beforeEach(async () => {
  site = new Site(policy, programs);
  daemon = await site.start();
});

afterEach(() => site.close());

test("without a gate the daemon works in restore mode and says why", () => {
  const { protection } = site.status();
  expect(protection.mode).toBe("restore");
  expect(JSON.stringify(protection)).toContain("koffi");
  expect(site.run(["diff"])).toMatchObject({ status: 0 });
  const { status, stdout } = site.run(["doctor", "table-owner"]);
  expect(stdout).toMatch(/any program can flush virtwall's tables[^]*seen: .*koffi/);
  expect(status).toBe(1);
});

test("what a flush took away is put back, and the gap is measured", async () => {
  for (let round = 1; round <= 3; round++) {
    nft("flush", "ruleset");
    await until(() => holds(". tcp . 80 : 10.20.0.11 . 80"));
    await until(
      () => site.status().gaps.tables.count >= round,
      () => daemon.output,
    );
  }
  expect(daemon.output).toMatch(/restored in [0-9.]+ ms what nft \(pid \d+\) took away/);
  const { gaps } = site.status();
  expect(gaps.tables.longestMs).toBeLessThan(2000);
  expect(site.run(["status"]).stdout).toContain("put back");
});

test("one element that a hand deleted is put back, and nothing else is touched", async () => {
  const before = nft("-a", "list", "chain", "inet", "virtwall", "forward");
  nft("delete element inet virtwall publish4 { 198.51.100.1 . tcp . 80 }");
  await until(() => holds("198.51.100.1 . tcp . 80 : 10.20.0.11 . 80"));
  expect(nft("-a", "list", "chain", "inet", "virtwall", "forward")).toBe(before);
});

test("what the kernel has learned is put back with the rest, for as long as it had left", async () => {
  const learning = `{ filter: clean-traffic, nics: { "52:54:00:20:00:11": { parameters: { CTRL_IP_LEARNING: dhcp } } } }`;
  execFileSync("ip", ["tuntap", "add", "vnet0", "mode", "tap"]);
  site.writePolicy(`guests: { web1: ${learning} }\n`);
  const learned = () =>
    spawnSync("nft", ["list", "table", "bridge", "virtwall"], { encoding: "utf8" }).stdout;
  await until(() => learned().includes("set learned4_dhcp"));
  for (const [address, seconds] of [
    ["0xa140099", 5000],
    ["0xa140098", 1],
  ]) {
    const element = `{ "vnet0" . ${address} timeout ${seconds}s }`;
    nft("add", "element", "bridge", "virtwall", "learned4_dhcp", element);
  }
  nft("add", "element", "bridge", "virtwall", "locked4_dhcp", '{ "vnet0" timeout 5000s }');
  // A change of our tables by somebody else: they are looked at.
  await until(() => !learned().includes("0xa140098"));
  site.writePolicy(`guests: { web1: ${learning}, web2: { filter: allow-arp } }\n`);
  await until(() => learned().includes("from/allow-arp"));
  nft("flush", "ruleset");
  await until(() => learned().includes("0xa140099 timeout 1h"));
  expect(learned()).not.toContain("0xa140098");
  execFileSync("ip", ["link", "del", "vnet0"]);
});
