import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { fetchPage } from "../../lab/fetch-page.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { trixieRoot } from "../../lab/trixie.ts";
import { asClient, uplink } from "../../lab/uplink.ts";
import { writePolicy } from "../../lab/virtwall.ts";
import { startHypervisor, type Hypervisor } from "./hypervisor.ts";

const policy = `guests:
  web1:
    publish:
      - address: ${uplink.address}
        ports: [tcp/8080:80]
`;

let hypervisor: Hypervisor;

// Debian 13: libvirt 11.3 with its nftables backend, which puts its bridges into firewalld's zones over D-Bus, and firewalld 2.3.
beforeAll(async () => {
  hypervisor = await startHypervisor({
    root: await trixieRoot(),
    hostFirewall: "firewalld",
    guests: [{ name: "web1", mac: "52:54:00:00:00:01" }],
    policy,
  });
}, 900_000);

afterAll(async () => {
  await hypervisor?.stop();
});

const page = () =>
  fetchPage(hypervisor.world, `http://${uplink.address}:8080/`, { from: asClient });
const tell = async (...words: readonly string[]) =>
  (await hypervisor.world.must(["firewall-cmd", ...words])).trim();

interface Status {
  readonly integration: {
    readonly chains: readonly { by: string; chain: string; state: string }[];
  };
}

async function bridgeState(): Promise<string | undefined> {
  const status = JSON.parse(await hypervisor.virtwall("status", "--json")) as Status;
  return status.integration.chains.find(({ by, chain }) => by === "firewalld" && chain === "virbr0")
    ?.state;
}

async function expectServed(zone: string): Promise<void> {
  await expect.poll(bridgeState).toBe("passed");
  await expect.poll(() => tell("--get-zone-of-interface=virbr0")).toBe(zone);
  await expect.poll(page).toBe("I am web1\n");
}

test("the bridge stays in libvirt's zone, and the publication passes firewalld", async () => {
  await expectServed("libvirt");
});

/** What doctor says of this host by these examinations. */
async function doctor(...ids: readonly string[]): Promise<string> {
  const program = [process.execPath, join(projectRoot(), "bin", "virtwall")];
  return (await hypervisor.world.run([...program, "doctor", ...ids])).stdout;
}

async function write(file: string, text: string): Promise<void> {
  const place = hypervisor.world.pathOf(file);
  await mkdir(dirname(place), { recursive: true });
  await writeFile(place, text);
}

test("doctor finds it sound, and does not once nftables.service is enabled beside it", async () => {
  const { world } = hypervisor;
  for (const name of ["virtwall", "virtwall-early", "virtwall-gate"]) {
    const text = await readFile(join(projectRoot(), `system/units/${name}.service`), "utf8");
    await write(`/etc/systemd/system/${name}.service`, text);
  }
  await write("/etc/systemd/system/multi-user.target.wants/virtwall.service", "");
  await world.must(["mkdir", "-p", "/run/systemd/system"]);
  const ids = ["host-firewall", "two-firewalls", "boot-order", "libvirt-faults"];
  expect(await doctor(...ids)).toBe("0 errors, 0 warnings, 4 without a finding, 0 skipped\n");
  await write("/etc/systemd/system/sysinit.target.wants/nftables.service", "");
  await world.must(["rm", "/etc/systemd/system/virtwall-early.service"]);
  const told = await doctor(...ids);
  expect(told).toContain("firewalld and nftables.service manage this host's firewall at once");
  expect(told).toContain("networks are up before virtwall has its rules in place");
  expect(told).toContain("seen: libvirt 11.3.0 with firewall_backend nftables");
  expect(told).toContain("3 warnings");
  await world.must(["rm", "-r", "/etc/systemd/system", "/run/systemd/system"]);
});

test("a port that firewalld forwards elsewhere is found, and that the publication goes before", async () => {
  const forward = "port=8080:proto=tcp:toport=80:toaddr=192.0.2.99";
  expect(await doctor("foreign-forwards")).toContain("0 warnings");
  await tell("--zone=public", `--add-forward-port=${forward}`);
  expect(await doctor("foreign-forwards")).toContain(
    "nobody outside reaches 192.0.2.99:80, where firewalld leads it",
  );
  expect(await page()).toBe("I am web1\n");
  await tell("--zone=public", `--remove-forward-port=${forward}`);
});

test("so it is after firewalld is reloaded, and after libvirt is restarted", async () => {
  await hypervisor.firewall.restart();
  await expectServed("libvirt");
  await hypervisor.libvirt.restart();
  await expectServed("libvirt");
});

test("adopted, the network is in our zone, and given back it is in libvirt's again", async () => {
  await hypervisor.virtwall("adopt", "default");
  await expectServed("virtwall");
  await hypervisor.virtwall("adopt", "default", "--undo");
  await expectServed("libvirt");
});

test.each(["print", "off"])(
  "with integration: %s it is not adopted: nobody would tell firewalld of its bridge",
  async (integration) => {
    await writePolicy(hypervisor.world, `host: { integration: "${integration}" }\n${policy}`);
    await expect(hypervisor.virtwall("adopt", "default")).rejects.toThrow(
      /in the way: firewalld runs/,
    );
    await writePolicy(hypervisor.world, policy);
    await expectServed("libvirt");
  },
);

test("stopped with --clean, firewalld knows nothing of virtwall, and libvirt's zone has its bridge", async () => {
  await hypervisor.virtwall("stop", "--clean");
  expect(await tell("--get-zones")).not.toContain("virtwall");
  expect(await tell("--permanent", "--get-policies")).not.toContain("virtwall");
  expect(await tell("--get-zone-of-interface=virbr0")).toBe("libvirt");
});
