import { access, chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { installClassicHook } from "../../lab/classic-hook.ts";
import { fetchPage } from "../../lab/fetch-page.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { trixieRoot } from "../../lab/trixie.ts";
import { asClient, uplink } from "../../lab/uplink.ts";
import { writePolicy } from "../../lab/virtwall.ts";
import type { MigrateResult } from "../../src/cli/print-migration.ts";
import { startHypervisor, type Hypervisor } from "./hypervisor.ts";

const settingsFile = "/etc/libvirt/network.conf";
const hookFile = "/etc/libvirt/hooks/qemu";

/**
 * Restarts libvirtd as its unit would. Where there is a file /run/break, the rules of somebody else shut the guest off; where there is
 * /run/interrupt, ^C is typed meanwhile.
 */
const systemctl = `#!/bin/sh
[ "$*" = "restart libvirtd.service" ] || exit 5
p=$(cat /run/libvirtd.pid)
kill "$p"
while kill -0 "$p" 2>/dev/null; do sleep 0.05; done
nft delete table inet broken 2>/dev/null
if [ -e /run/break ]; then
  rm /run/break
  nft 'table inet broken { chain prerouting { type filter hook prerouting priority raw; tcp sport 1024-65535 tcp dport 8080 drop; }; }'
fi
if [ -e /run/interrupt ]; then
  rm /run/interrupt
  kill -INT "$PPID"
fi
exec libvirtd -d
`;

let hypervisor: Hypervisor;
let guestAddress: string;

beforeAll(async () => {
  hypervisor = await startHypervisor({
    root: await trixieRoot(),
    backend: "iptables",
    guests: [{ name: "web1", mac: "52:54:00:00:00:01" }],
    policy: "{}\n",
  });
  const { world, libvirt } = hypervisor;
  guestAddress = hypervisor.addresses.get("web1") ?? "";
  await mkdir(world.pathOf("/etc/libvirt/hooks"), { recursive: true });
  const publicAddress = uplink.address;
  const ports = ["tcp:8080:80"];
  await installClassicHook(world, { guest: "web1", publicAddress, guestAddress, ports });
  // It calls the hook for the guest that runs.
  await libvirt.restart();
}, 900_000);

afterAll(async () => {
  await hypervisor?.stop();
});

const page = () =>
  fetchPage(hypervisor.world, `http://${uplink.address}:8080/`, { from: asClient });

async function migrate(...words: readonly string[]): Promise<MigrateResult> {
  const command = ["migrate", "--json", "--to", ...words];
  return JSON.parse(await hypervisor.virtwall(...command)) as MigrateResult;
}

/** A migration that ends, as by a loss of power, when it is about to remove the first rules. */
async function killedAtTheRules(): Promise<void> {
  const { world } = hypervisor;
  const folder = "/run/killed";
  await mkdir(world.pathOf(folder));
  const script = `#!/bin/sh\n: >${folder}/told\nkill -KILL "$PPID"\n`;
  await writeFile(world.pathOf(`${folder}/iptables-restore`), script, { mode: 0o755 });
  const env = { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` };
  const bin = join(projectRoot(), "bin", "virtwall");
  await world.run([process.execPath, bin, "migrate", "--to", "nftables"], { env });
  await access(world.pathOf(`${folder}/told`));
}

/** Both families, less what counting and the clock change. */
async function xtables(): Promise<string> {
  const { world } = hypervisor;
  const text = await world.must(["sh", "-c", "iptables-save; ip6tables-save"]);
  return text.replaceAll(/^#.*\n/gm, "").replaceAll(/ \[\d+:\d+\]$/gm, "");
}

const read = (file: string) => readFile(hypervisor.world.pathOf(file), "utf8");
const nft = () => hypervisor.world.must(["nft", "list", "ruleset"]);

test("a hook's forward that the policy does not know is in the way", async () => {
  await expect.poll(xtables).toContain(`DNAT --to-destination ${guestAddress}:80`);
  await expect(migrate("nftables", "--dry-run")).rejects.toThrow(
    /the policy does not publish tcp\/8080/,
  );
});

test("a dry run tells who is reached before and after, and changes nothing", async () => {
  const publish = `{ address: ${uplink.address}, ports: [tcp/8080:80] }`;
  await writePolicy(hypervisor.world, `guests:\n  web1:\n    publish: [${publish}]\n`);
  await expect.poll(page).toBe("I am web1\n");
  const [rules, settings] = [await xtables(), await read(settingsFile)];
  const result = await migrate("nftables", "--dry-run");
  expect(result).toMatchObject({ state: "possible", libvirt: "11.3.0", obstacles: [] });
  expect(result.reach).toContainEqual({
    question: `tcp world -> ${uplink.address}:8080`,
    before: "delivered",
    after: "delivered",
  });
  expect(result.reach).toContainEqual({
    question: `tcp world -> ${guestAddress}:22`,
    before: expect.stringContaining("dropped by inet virtwall") as string,
    after: expect.stringContaining("dropped by inet virtwall") as string,
  });
  expect(await xtables()).toBe(rules);
  expect(await read(settingsFile)).toBe(settings);
});

test("without systemd the restart is the admin's; then nothing of libvirt's or of the hook is left in iptables, though a run was killed", async () => {
  const before = await read(settingsFile);
  const script = await read(hookFile);
  await expect(migrate("nftables")).rejects.toThrow(/"state": "restart due"/);
  expect(await read(settingsFile)).toBe(`${before}firewall_backend = "nftables"\n`);
  expect(await read(`${settingsFile}.virtwall-backup`)).toBe(before);
  await hypervisor.libvirt.restart();
  await killedAtTheRules();
  const result = await migrate("nftables");
  expect(result.state).toBe("migrated");
  expect(result.removed).toContainEqual(expect.stringMatching(/^iptables -A PREROUTING .* DNAT /));
  expect(await xtables()).not.toMatch(/LIBVIRT|virbr0|DNAT/);
  expect(await xtables()).not.toContain(guestAddress);
  expect(await nft()).toMatch(/table ip libvirt_network[^]*virbr0/);
  expect(await page()).toBe("I am web1\n");
  expect(await read(`${hookFile}.retired-by-virtwall`)).toBe(script);
  expect(await read(hookFile)).toContain("Retired by virtwall");
  expect((await migrate("nftables")).state).toBe("nothing to do");
});

test("the way back, restarted by libvirt's unit, leaves none of its nftables tables", async () => {
  const { world } = hypervisor;
  await mkdir(world.pathOf("/run/systemd/system"), { recursive: true });
  await writeFile(world.pathOf("/usr/local/sbin/systemctl"), systemctl);
  await chmod(world.pathOf("/usr/local/sbin/systemctl"), 0o755);
  const result = await migrate("iptables");
  expect(result.state).toBe("migrated");
  expect(result.removed).toEqual(["table ip libvirt_network", "table ip6 libvirt_network"]);
  expect(await nft()).not.toContain("libvirt_network");
  expect(await xtables()).toContain("-A LIBVIRT_FWI -o virbr0 -j REJECT");
  expect(await page()).toBe("I am web1\n");
});

test("a guest that is not reached any more brings back everything as it was", async () => {
  const [rules, settings] = [await xtables(), await read(settingsFile)];
  await writeFile(hypervisor.world.pathOf("/run/break"), "");
  await expect(migrate("nftables")).rejects.toThrow(
    /tcp world -> 203\.0\.113\.1:8080 was delivered and is dropped by inet broken[^]*as it was before/,
  );
  expect(await read(settingsFile)).toBe(settings);
  expect(await page()).toBe("I am web1\n");
  const sorted = (text: string) => text.split("\n").toSorted();
  expect(sorted(await xtables())).toEqual(sorted(rules));
});

test("^C in the midst of it undoes what was done, and says so", async () => {
  const [rules, settings, hook] = [await xtables(), await read(settingsFile), await read(hookFile)];
  await writeFile(hypervisor.world.pathOf("/run/interrupt"), "");
  await expect(migrate("nftables")).rejects.toThrow(
    /SIGINT: ends with its next step[^]*stopped by SIGINT; everything is as it was before/,
  );
  expect(await read(settingsFile)).toBe(settings);
  expect(await read(hookFile)).toBe(hook);
  expect(await nft()).not.toContain("libvirt_network");
  expect(await xtables()).toContain("-A LIBVIRT_FWI -o virbr0 -j REJECT");
  expect((await xtables()).split("\n").toSorted()).toEqual(rules.split("\n").toSorted());
  expect(await page()).toBe("I am web1\n");
});
