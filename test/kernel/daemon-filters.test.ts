import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { buildPrograms, holds, nft, Site, until, type RunningDaemon } from "./daemon-program.ts";

const policy = `networks:
  front: { mode: nat }
guests:
  web1: { filter: web }
  web2: { filter: outer }
`;
/** By a number that stands in no other rule. */
const web = (port: number) =>
  `<filter name='web' chain='ipv4'><rule action='drop' direction='out'><ip protocol='udp' dstportstart='${port}'/></rule></filter>`;
const outer = "<filter name='outer'><filterref filter='web'/></filter>";
const needsMore =
  "<filter name='web' chain='ipv4'><rule action='drop' direction='out'><ip srcipaddr='$MORE'/></rule></filter>";

let site: Site;
let daemon: RunningDaemon;

beforeAll(buildPrograms);

beforeEach(async () => {
  site = new Site(policy);
  mkdirSync(join(site.folder, "nwfilter"));
  write("web.xml", web(4001));
  write("outer.xml", outer);
  daemon = await site.start();
});

afterEach(() => site.close());

function write(name: string, text: string): void {
  writeFileSync(join(site.folder, "nwfilter", name), text);
}

function define(text: string) {
  const file = join(site.folder, "new.xml");
  writeFileSync(file, text);
  return site.run(["nwfilter", "define", file]);
}

/** The rules of bridge virtwall that match this port: one chain for each filter that leads there. */
const rulesOf = (port: number) =>
  nft("list", "table", "bridge", "virtwall")
    .split("\n")
    .filter((line) => line.includes(`dport ${port} `)).length;
const applied = () => site.run(["events"]).stdout.split(" applied ").length - 1;
const keepsFilters = () => site.status().policy.keepsFilters;

test("a filter that is defined anew changes every nic that has it, in one transaction", () => {
  expect(rulesOf(4001)).toBe(2);
  const before = applied();
  expect(define(web(4002))).toMatchObject({ status: 0, stderr: "" });
  expect(rulesOf(4001)).toBe(0);
  expect(rulesOf(4002)).toBe(2);
  expect(applied()).toBe(before + 1);
  expect(site.run(["diff"]).status).toBe(0);
});

test("a definition that some nic cannot live with is refused, and no nic changes", () => {
  const refused = define(needsMore);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("$MORE");
  expect(rulesOf(4001)).toBe(2);
  expect(site.run(["nwfilter", "undefine", "web"]).status).toBe(1);
  expect(rulesOf(4001)).toBe(2);
});

test("a definition that would not be in force is refused", () => {
  write("other.xml", "<filter name='other'><oops/></filter>");
  const refused = define(web(4002));
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("nothing was changed");
  expect(readFileSync(join(site.folder, "nwfilter/web.xml"), "utf8")).toBe(web(4001));
  write("spare.xml", "<filter name='spare'/>");
  expect(site.run(["nwfilter", "undefine", "spare"]).status).toBe(1);
  expect(existsSync(join(site.folder, "nwfilter/spare.xml"))).toBe(true);
  rmSync(join(site.folder, "nwfilter/other.xml"));
  expect(define(web(4002)).status).toBe(0);
  expect(rulesOf(4002)).toBe(2);
});

test("bindings and status say who enforces what", () => {
  const { stdout } = site.run(["nwfilter", "bindings"]);
  expect(stdout).toMatch(/ {3}outer +web2 +virtwall /);
  expect(stdout).toMatch(/ {3}web +web1 +virtwall /);
  expect(site.run(["status"]).stdout).toMatch(/web1 +vnet0 +web +by virtwall/);
});

test.each([
  ["with a mistake", () => write("web.xml", "<filter name='web' chain='zz'/>")],
  ["that a nic cannot live with", () => write("web.xml", needsMore)],
  ["that is gone", () => rmSync(join(site.folder, "nwfilter/web.xml"))],
  [
    "that is gone with all others",
    () => rmSync(join(site.folder, "nwfilter"), { recursive: true }),
  ],
])("a file %s leaves all filters as they were, over a restart too", async (_what, act) => {
  act();
  await until(keepsFilters);
  expect(rulesOf(4001)).toBe(2);
  // The policy is followed all the same.
  site.writePolicy(`aliases: { a: [192.0.2.0/24] }\nhost: { mark: 0x20000000 }\n${policy}`);
  await until(() => holds("0x20000000"));
  expect(rulesOf(4001)).toBe(2);
  await daemon.kill("SIGTERM");
  daemon = await site.start();
  expect(keepsFilters()).toBe(true);
  expect(rulesOf(4001)).toBe(2);
  expect(site.run(["status"])).toMatchObject({ status: 1 });
  mkdirSync(join(site.folder, "nwfilter"), { recursive: true });
  write("outer.xml", outer);
  write("web.xml", web(4003));
  await until(() => rulesOf(4003) === 2);
  expect(keepsFilters()).toBe(false);
});

test("a broken definition at the first start closes the nics that need it, and all else is applied", async () => {
  await daemon.kill("SIGTERM");
  rmSync(site.state, { recursive: true });
  write("web.xml", "<filter name='web'><oops/></filter>");
  expect(site.run(["apply"])).toMatchObject({ status: 1 });
  site.writePolicy(policy.replace("filter: outer", "filter: allow-arp"));
  daemon = await site.start();
  await daemon.said("only the nics that need it pass nothing");
  const { stdout } = site.run(["status"]);
  expect(stdout).toMatch(/web1 +vnet0 +web +CLOSED/);
  expect(stdout).toMatch(/web2 +vnet\d+ +allow-arp +by virtwall/);
});

test("where br_netfilter is switched off nics that need states are closed, and open again with it", async () => {
  const stated =
    "<filter name='web'><rule action='accept' direction='in'><tcp state='NEW'/></rule></filter>";
  const settings = ["iptables", "ip6tables"].map((name) => `net.bridge.bridge-nf-call-${name}`);
  const filterBridges = (value: number) =>
    execFileSync("sysctl", ["-q", "-w", ...settings.map((name) => `${name}=${value}`)]);
  const web1 = () => site.status().guests.find(({ name }) => name === "web1")?.nics[0]?.filter;
  // Off, on and off again between two looks of the daemon: it goes by what it read in between.
  await daemon.kill("SIGTERM");
  filterBridges(0);
  daemon = await site.start();
  filterBridges(1);
  expect(define(stated).status).toBe(0);
  expect(web1()?.state).toBe("enforced");
  filterBridges(0);
  await until(() => web1()?.state === "closed");
  expect(web1()).toMatchObject({ reason: /state of connections/ });
  filterBridges(1);
  await until(() => web1()?.state === "enforced");
});

test("filters that apply has put in force without a daemon are those of before to the next daemon", async () => {
  await daemon.kill("SIGTERM");
  write("web.xml", web(4002));
  expect(site.run(["apply"]).status).toBe(0);
  write("web.xml", "<filter name='web'><oops/></filter>");
  daemon = await site.start();
  expect(keepsFilters()).toBe(true);
  expect([rulesOf(4001), rulesOf(4002)]).toEqual([0, 2]);
});

test("an address that the kernel has learned is shown, and kept over a restart of the daemon", async () => {
  const { nics = [] } = site.status().guests.find(({ name }) => name === "web2") ?? {};
  const { tap = "", mac = "", bridge = "virbr20" } = nics[0] ?? {};
  site.writePolicy(policy.replace("filter: outer", "filter: no-arp-ip-spoofing"));
  const shown = () => site.status().guests.find(({ name }) => name === "web2")?.nics[0]?.filter;
  await until(() => shown()?.name === "no-arp-ip-spoofing");
  expect(shown()?.learned).toBeUndefined();
  for (const words of [
    "netns add learner",
    `link add ${bridge} type bridge`,
    `link set ${bridge} up`,
    `link add ${tap} type veth peer name eth0 netns learner`,
    `link set ${tap} master ${bridge} up`,
    `-n learner link set eth0 address ${mac} up`,
    "-n learner address add 10.20.0.77/24 dev eth0",
  ]) {
    execFileSync("ip", words.split(" "));
  }
  try {
    const speak = "echo >/dev/udp/10.20.0.99/9";
    await until(() => {
      spawnSync("ip", ["netns", "exec", "learner", "bash", "-c", speak]);
      return shown()?.learned !== undefined;
    });
    expect(shown()?.learned).toEqual(["10.20.0.77"]);
    await daemon.kill("SIGTERM");
    daemon = await site.start();
    expect(shown()?.learned).toEqual(["10.20.0.77"]);
  } finally {
    execFileSync("ip", ["link", "del", bridge]);
    execFileSync("ip", ["link", "del", tap]);
    execFileSync("ip", ["netns", "del", "learner"]);
  }
});
