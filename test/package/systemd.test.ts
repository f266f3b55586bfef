import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bareRoot } from "../../lab/bare-debian.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { startSystemd, type Systemd } from "../../lab/systemd.ts";
import { startWorld, type World } from "../../lab/world.ts";
import { buildPackages, packageEnv as env } from "./build-packages.ts";

const [first, second] = ["1.0", "1.1"];
const units = ["virtwall-gate", "virtwall-early", "virtwall"];

let packages: string;
let world: World;
let systemd: Systemd;

const run: Systemd["run"] = (...argv) => systemd.run(...argv);
const must: Systemd["must"] = (...argv) => systemd.must(...argv);
const install = (version: string) => must("sh", "-c", `dpkg -i /srv/virtwall_${version}_*.deb`);

beforeAll(async () => {
  packages = await mkdtemp(join(tmpdir(), "virtwall-packages-"));
  for (const version of [first, second]) {
    await buildPackages(packages, "--version", version, "--without-node");
  }
  world = await startWorld({ root: await bareRoot("trixie"), isBare: true });
  // systemd puts a /tmp of its own over the world's.
  await cp(packages, world.pathOf("/srv"), { recursive: true });
  await cp(join(projectRoot(), "test/inventories/open"), world.pathOf("/srv/inventory"), {
    recursive: true,
  });
  // Services may be started here.
  await rm(world.pathOf("/usr/sbin/policy-rc.d"));
  // No libvirt runs: a folder stands for it.
  const dropIn = world.pathOf("/etc/systemd/system/virtwall.service.d");
  await mkdir(dropIn, { recursive: true });
  const daemon = `/usr/bin/virtwall daemon --inventory /srv/inventory`;
  await writeFile(join(dropIn, "inventory.conf"), `[Service]\nExecStart=\nExecStart=${daemon}\n`);
  systemd = await startSystemd(world, { env });
});

afterAll(async () => {
  await systemd.stop();
  await world.stop();
  await rm(packages, { recursive: true, force: true });
});

const mainPid = (unit: string) => must("systemctl", "show", "-P", "MainPID", `${unit}.service`);
/** With handles: who makes a table anew gives it others. */
const tables = () => must("nft", "-a", "-s", "list", "ruleset");

test("installed, its units are there, and none is enabled or runs", async () => {
  await install(first);
  for (const unit of units) {
    expect((await run("systemctl", "is-enabled", unit)).stdout).toBe("disabled\n");
    expect((await run("systemctl", "is-active", unit)).stdout).toBe("inactive\n");
  }
});

test("enabled, it runs, and the group is answered through the unit's walls", async () => {
  await must("systemctl", "enable", "--now", ...units);
  const { stdout } = await run("virtwall", "status");
  expect(stdout).toContain("owner");
  const group = (await must("getent", "group", "virtwall")).split(":")[2] ?? "";
  const member = ["setpriv", "--reuid=4711", "--regid=4711", `--groups=${group}`];
  expect(await must(...member, "virtwall", "status")).toBe(stdout);
  const question = ["virtwall", "explain", "tcp", "world", "host:22"];
  expect(await run(...member, ...question)).toEqual(await run(...question));
});

test("an upgrade restarts the daemon, and neither the gate nor a table is touched", async () => {
  const [gate, daemon, held] = [
    await mainPid("virtwall-gate"),
    await mainPid("virtwall"),
    await tables(),
  ];
  expect(held).toContain("table inet virtwall");
  await install(second);
  expect((await run("systemctl", "is-active", "virtwall")).stdout).toBe("active\n");
  expect(await mainPid("virtwall")).not.toBe(daemon);
  expect(await mainPid("virtwall-gate")).toBe(gate);
  expect(await tables()).toBe(held);
});

test.each([
  ["dies", "systemctl kill --signal=KILL virtwall-gate"],
  ["is restarted", "systemctl restart virtwall-gate"],
])(
  "a gate that %s comes back as systemd's own, and the tables are as they were",
  async (_how, command) => {
    const [before, held] = [Number(await mainPid("virtwall-gate")), await tables()];
    await must("sh", "-c", command);
    const owner = async () => {
      const pid = Number(await mainPid("virtwall-gate"));
      const { gate, protection } = JSON.parse(await must("virtwall", "status", "--json")) as {
        readonly gate?: { readonly pid: number };
        readonly protection: { readonly mode: string };
      };
      return { isSystemds: gate?.pid === pid && pid !== before, mode: protection.mode };
    };
    await expect.poll(owner, { timeout: 60_000 }).toEqual({ isSystemds: true, mode: "owner" });
    expect(await tables()).toBe(held);
  },
);

/** Its program dies a moment after each start, and systemd starts it again. */
async function loop(unit: string): Promise<void> {
  const program = (await must("systemctl", "show", "-P", "ExecStart", `${unit}.service`)).match(
    /argv\[\]=(.*?) ;/,
  )?.[1];
  const dying = `[Unit]
StartLimitIntervalSec=0
[Service]
RestartSec=0
ExecStart=
ExecStart=/bin/sh -c '${program} & sleep 0.5; kill -KILL $$!; exit 1'
`;
  const dropIn = world.pathOf(`/etc/systemd/system/${unit}.service.d`);
  await mkdir(dropIn, { recursive: true });
  await writeFile(join(dropIn, "loop.conf"), dying);
}

test("removed while systemd starts daemon and gate again and again, nothing of it runs, is enabled, or is in the kernel", async () => {
  // The daemon's next start waits for the gate's.
  for (const unit of ["virtwall", "virtwall-gate"]) {
    await loop(unit);
    await must("systemctl", "daemon-reload");
    await must("systemctl", "restart", "--no-block", `${unit}.service`);
    const restarts = () => must("systemctl", "show", "-P", "NRestarts", `${unit}.service`);
    await expect.poll(restarts, { timeout: 60_000 }).not.toBe("0\n");
  }
  await must("dpkg", "-r", "virtwall");
  expect(await must("nft", "list", "ruleset")).toBe("");
  expect(await must("sh", "-c", "find /etc/systemd/system -name 'virtwall*.service'")).toBe("");
  expect((await run("pgrep", "-f", "virtwall/bin")).stdout).toBe("");
});
