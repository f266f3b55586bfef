import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { buildPrograms, builtPrograms, holds, nft, Site, until } from "./daemon-program.ts";

const policy = (port: number) => `host:
  input: [{ allow: [tcp/22, tcp/${port}] }]
guests:
  web1:
    publish: [{ address: 198.51.100.1, ports: [tcp/80] }]
`;

let site: Site;
const fileOf = (name: string) => join(site.state, name);

beforeAll(buildPrograms);

beforeEach(() => {
  site = new Site(policy(443));
});

afterEach(() => site.close());

/** The machine was off: the kernel has forgotten everything. */
function boot() {
  nft("flush", "ruleset");
  return site.run(["boot"]);
}

/** What the host's own input accepts, and the guests' taps that anybody vouches for. */
function inForce() {
  const rules = nft("list", "chain", "inet", "virtwall", "host_rules").split("\n");
  return {
    accepted: rules.filter((rule) => rule.includes("accept")).map((rule) => rule.trim()),
    taps: nft("list", "set", "bridge", "virtwall", "taps").includes("elements"),
  };
}

const accept = (ports: string) => `tcp dport ${ports} accept comment "host input 1"`;

test("a boot begins with what was in force, and with no guest", () => {
  expect(site.run(["apply"]).status).toBe(0);
  expect(inForce().taps).toBe(true);
  expect(boot()).toMatchObject({ status: 0, stderr: "" });
  expect(inForce()).toEqual({ accepted: [accept("{ 22, 443 }")], taps: false });
  expect(holds("198.51.100.1 . tcp . 80")).toBe(false);
  expect(site.run(["apply"]).status).toBe(0);
  expect(inForce().taps).toBe(true);
  expect(site.run(["boot", "--json"]).stdout).toContain('"state": "kept"');
  expect(inForce().taps).toBe(true);
});

test("where nothing was in force and no policy is written, nothing is loaded", () => {
  rmSync(site.policyFile);
  expect(boot()).toMatchObject({ status: 0, stdout: expect.stringContaining("nothing was") });
  expect(nft("list", "ruleset")).not.toContain("chain");
});

test.each([
  [
    "torn",
    () => writeFileSync(fileOf("boot.nft"), readFileSync(fileOf("boot.nft")).subarray(0, 900)),
  ],
  ["missing", () => rmSync(fileOf("boot.nft"))],
])(
  "a last good ruleset that is %s leaves the failsafe port open and closes the rest",
  (_, spoil) => {
    expect(site.run(["apply"]).status).toBe(0);
    spoil();
    const booted = boot();
    expect(booted.status).toBe(1);
    expect(booted.stderr).toMatch(/boot\.nft is not as it was saved|holds no ruleset to boot with/);
    expect(booted.stderr).toContain("guests pass nothing");
    expect(inForce()).toEqual({ accepted: [accept("22")], taps: false });
  },
);

test("where the kernel cannot be asked, the host is closed and not open", () => {
  expect(site.run(["apply"]).status).toBe(0);
  nft("flush", "ruleset");
  // The gate has nft as a library.
  const booted = site.run(["boot"], { env: { PATH: "/nowhere" } });
  expect(booted.status).toBe(1);
  expect(booted.stderr).toContain("nft is not installed");
  expect(inForce()).toEqual({ accepted: [accept("22")], taps: false });
});

test("a gate that takes connections and never answers keeps no boot from its rules", async () => {
  expect(site.run(["apply"]).status).toBe(0);
  mkdirSync(join(site.folder, "run"), { recursive: true });
  const gate = createServer();
  await new Promise<void>((resolve) => gate.listen(join(site.folder, "run/gate.sock"), resolve));
  try {
    expect(boot()).toMatchObject({ status: 0, stderr: "" });
    expect(inForce()).toEqual({ accepted: [accept("{ 22, 443 }")], taps: false });
  } finally {
    gate.close();
  }
});

test.each([
  ["can", policy(443)],
  ["cannot", "host: ["],
])(
  "a policy that %s be read and no last good one leave the failsafe port open alone",
  (_, text) => {
    site.writePolicy(text);
    const booted = boot();
    expect(booted.status).toBe(1);
    expect(booted.stderr).toContain("holds no ruleset to boot with: guests pass nothing");
    expect(booted.stderr).toContain("of what host.input opens tcp/22 alone is open");
    expect(inForce()).toEqual({ accepted: [accept("22")], taps: false });
  },
);

test("who starts virtwall for the first time on a host that is on its network closes nothing", () => {
  spawnSync("ip", ["link", "add", "up0", "type", "bridge"]);
  try {
    spawnSync("ip", ["link", "set", "up0", "up"]);
    spawnSync("ip", ["route", "add", "default", "dev", "up0"]);
    expect(boot()).toMatchObject({ status: 0, stdout: expect.stringContaining("nothing was") });
  } finally {
    spawnSync("ip", ["link", "delete", "up0"]);
  }
});

test("where no policy can be read either, the failsafe port is open all the same", () => {
  expect(site.run(["apply"]).status).toBe(0);
  for (const name of ["boot.nft", "last-good-policy.json"]) writeFileSync(fileOf(name), "{");
  writeFileSync(site.policyFile, "host: [");
  expect(boot().status).toBe(1);
  expect(inForce()).toEqual({ accepted: [accept("22")], taps: false });
});

test("a boot while a change waits for its confirmation begins with what was before", async () => {
  expect(site.run(["apply"]).status).toBe(0);
  const candidate = join(site.folder, "new.yaml");
  writeFileSync(candidate, policy(8006));
  expect(site.run(["apply", candidate, "--confirm", "600"]).status).toBe(0);
  expect(inForce().accepted).toEqual([accept("{ 22, 8006 }")]);
  expect(boot().status).toBe(0);
  expect(inForce().accepted).toEqual([accept("{ 22, 443 }")]);
  expect(site.run(["confirm"]).status).toBe(0);
  expect(boot().status).toBe(0);
  expect(inForce().accepted).toEqual([accept("{ 22, 8006 }")]);
});

const receiver = `socket(S, PF_UNIX, SOCK_DGRAM, 0); bind(S, sockaddr_un($ARGV[0])) or die;
  $| = 1; print "bound\\n"; while (defined recv(S, $word, 100, 0)) { print "<$word>\\n" }`;

/** Stands for systemd, which hears of its services by datagrams. */
async function listenAt(path: string) {
  const child = spawn("perl", ["-MSocket", "-e", receiver, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let heard = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (heard += text));
  await until(() => heard.includes("bound"));
  return { child, heard: () => heard };
}

test("gate and daemon tell systemd when they are up, and what they start is not taken for them", async () => {
  const path = join(site.folder, "notify");
  const systemd = await listenAt(path);
  try {
    const daemon = site.launch({ ...process.env, NOTIFY_SOCKET: path });
    await daemon.said("ready");
    expect(systemd.heard()).toBe("bound\n<READY=1>\n<BARRIER=1>\n");
    const socket = join(site.folder, "run/gate.sock");
    process.kill(site.gatePid() ?? 0, "SIGKILL");
    await daemon.kill("SIGKILL");
    const program = [join(builtPrograms, "bin/virtwall"), "gate", "--socket", socket];
    const env = { ...process.env, NOTIFY_SOCKET: path };
    const gate = spawn(process.execPath, program, { env, stdio: "ignore" });
    await until(() => systemd.heard().split("READY=1").length === 3);
    gate.kill();
  } finally {
    systemd.child.kill();
  }
});
