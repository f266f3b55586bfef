import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answerQuestions, type Answer } from "../../lab/answer-questions.ts";
import { qemuSettings } from "../../lab/libvirt.ts";
import { startSystemd, type Systemd } from "../../lab/systemd.ts";
import { trixieRoot } from "../../lab/trixie.ts";
import { startWorld, type World } from "../../lab/world.ts";
import { buildPackages, packageEnv as env } from "./build-packages.ts";

const units = ["virtwall-gate", "virtwall-early", "virtwall"];
const guest = `<domain type='qemu'><name>web1</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>
<memballoon model='none'/></devices></domain>`;
/** As libvirt's wiki has it. */
const hook = `#!/bin/bash
if [ "$1" = web1 ] && [ "$2" = start ]; then
  iptables -t nat -A PREROUTING -p tcp -d 203.0.113.1 --dport 8080 -j DNAT --to 192.168.122.10:80
fi
`;

let packages: string;
let world: World;
let systemd: Systemd;

const run: Systemd["run"] = (...argv) => systemd.run(...argv);
const must: Systemd["must"] = (...argv) => systemd.must(...argv);
const policy = () => must("cat", "/etc/virtwall/policy.yaml");

// A Debian 13 with libvirt's own units, and our packages beside it. There is no Node in it but ours.
beforeAll(async () => {
  packages = await mkdtemp(join(tmpdir(), "virtwall-packages-"));
  await buildPackages(packages);
  world = await startWorld({ root: await trixieRoot(), isBare: true });
  await cp(packages, world.pathOf("/srv"), { recursive: true });
  await writeFile(world.pathOf("/srv/guest.xml"), guest);
  await writeFile(world.pathOf("/etc/libvirt/qemu.conf"), qemuSettings);
  systemd = await startSystemd(world, { env });
  for (const words of [
    "link add up0 type veth peer name far0",
    "link set far0 up",
    "link set up0 up",
    "addr add 203.0.113.1/24 dev up0",
    "route add default via 203.0.113.254",
  ]) {
    await must("ip", ...words.split(" "));
  }
  await must("sh", "-c", "dpkg -i /srv/*.deb");
});

afterAll(async () => {
  await systemd?.stop();
  await world?.stop();
  await rm(packages, { recursive: true, force: true });
});

/** As somebody does who has come by ssh, to a port of his own choice. */
async function atTerminal(answers: readonly Answer[]) {
  const words = ["script", "-qefc", "virtwall setup", "/dev/null"];
  const program = await world.start([...systemd.inside, ...words], {
    env: { ...env, TERM: "dumb", SSH_CONNECTION: "203.0.113.9 50000 203.0.113.1 2222" },
  });
  const type = (keys: string) => void program.stdin.write(keys);
  return answerQuestions({ shown: program.stdout, type, ended: program.ended }, answers);
}

const keep = (shown: string) => `${/keep-[0-9]+/.exec(shown)?.[0]}\n`;

test("without a libvirt it says what is missing, and changes nothing", async () => {
  await run("systemctl", "stop", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket");
  const { status, shown } = await atTerminal([]);
  expect(status).toBe(3);
  expect(shown).toMatch(
    /libvirt \([a-z]+:\/\/\/system\) does not answer.*systemctl start libvirtd/,
  );
  expect(await must("ls", "/etc/virtwall")).toBe("");
});

test("from its questions to units that run, as a person does", async () => {
  await must("systemctl", "start", "libvirtd");
  await must("virsh", "net-start", "default");
  await must("virsh", "create", "/srv/guest.xml", "--paused");
  await writeFile(world.pathOf("/etc/libvirt/hooks/qemu"), hook, { mode: 0o755 });
  const { status, shown } = await atTerminal([
    ["Pass rules in their chains", "\n"],
    ["Which are they? [up0]", "\n"],
    ["Services, as in", "tcp/22\n"],
    ["closes the failsafe service tcp/2222", "tcp/22 tcp/2222 icmp\n"],
    ["From where", "203.0.113.0/24\n"],
    ["Install them?", "\n"],
    ["Publish the same by the policy?", "\n"],
    ["web1 tcp/80 (publication 203.0.113.1:8080) opens", ""],
    ["Apply it?", "\n"],
    ["Then type:", keep],
  ]);
  expect(status, shown).toBe(0);
  expect(shown).toContain("virtwall runs, and starts with the machine");
  expect(await policy()).toContain("failsafe: [tcp/2222]");
  expect(await must("virtwall", "check")).toContain("no problems");
  for (const unit of units) {
    expect(await must("systemctl", "is-enabled", unit)).toBe("enabled\n");
    expect(await must("systemctl", "is-active", unit)).toBe("active\n");
  }
  expect(await must("virtwall", "status")).toMatch(/owner[^]*203\.0\.113\.1/);
  expect(await must("virtwall", "diff")).toContain("the kernel holds what is desired");
  expect(await must("ls", "/etc/libvirt/hooks/qemu.d")).toBe("virtwall\n");
});

test("once more, with other answers, through the daemon", async () => {
  const { status, shown } = await atTerminal([
    ["Write another one?", "yes\n"],
    ["Pass rules in their chains", "\n"],
    ["Which are they?", "\n"],
    ["Services, as in", "all\n"],
    ["Install them?", "\n"],
    ["Publish the same by the policy?", "\n"],
    ["Apply it?", "\n"],
    ["Then type:", keep],
  ]);
  expect(status, shown).toBe(0);
  expect(shown).toContain("applied by the daemon");
  expect(await policy()).not.toContain("input:");
  expect(await must("systemctl", "is-active", "virtwall")).toBe("active\n");
});
