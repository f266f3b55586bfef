import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { caseFolder } from "../world/case-folders.ts";
import { ForeignFirewalld } from "../world/foreign/firewalld.ts";
import { ForeignRoot } from "../world/foreign/foreign-root.ts";
import { ufw } from "../world/foreign/ufw.ts";
import { parsePacketLines } from "../world/packet-lines.ts";
import type { PacketRunner } from "../world/packet-runner.ts";
import { openPacketWorld } from "../world/packet-world.ts";
import { VirtwallOnHost } from "../world/virtwall-on-host.ts";
import type { World } from "../world/world.ts";
import { buildPrograms, until } from "./daemon-program.ts";

const { folder, inventory } = caseFolder("libvirt-modes");
const lines = parsePacketLines(readFileSync(join(folder, "packets.txt"), "utf8")).filter(
  ({ condition }) => condition === "always" || condition === "bridge-nf-call-iptables=0",
);
const promised = lines.map(({ text }) => text);

beforeAll(() => buildPrograms());

describe("firewalld, which owns its table", () => {
  let world: World;
  let root: ForeignRoot;
  let firewalld: ForeignFirewalld;
  let virtwall: VirtwallOnHost;
  let runner: PacketRunner;
  let before: string;

  beforeAll(async () => {
    ({ world, runner } = await openPacketWorld(inventory));
    await runner.listen(lines);
    root = await ForeignRoot.mount(world.hostNamespace);
    firewalld = await ForeignFirewalld.on(root);
    await firewalld.start();
    // As libvirt does at a network's start.
    await firewalld.tell("--zone=libvirt", "--change-interface=virbr0");
    before = await firewalld.listing();
    virtwall = new VirtwallOnHost(world, {
      policy: readFileSync(join(folder, "policy.yaml"), "utf8"),
      inventory,
      env: { DBUS_SYSTEM_BUS_ADDRESS: firewalld.busAddress },
    });
  });
  afterAll(async () => {
    await firewalld?.stop();
    await root?.close();
    await world?.close();
  });

  const integrated = () =>
    virtwall.untilIntegrated((chains) => {
      const bridges = chains.filter(({ by }) => by === "firewalld");
      return bridges.length > 1 && bridges.every(({ state }) => state === "passed");
    });

  test("guests reach nobody through firewalld as it comes", async () => {
    const open = lines.filter(
      ({ from, outcome }) => from === "world" && outcome.kind !== "blocked",
    );
    expect(open.length).toBeGreaterThan(0);
    const found = await runner.run(open.map((line) => ({ ...line, outcome: { kind: "blocked" } })));
    expect(found.filter((text) => !/=> (blocked|refused)$/.test(text))).toEqual([]);
  });

  test("doctor tells of each bridge that firewalld shuts off, and of no second firewall", () => {
    const { status, text } = virtwall.run("doctor", "host-firewall", "two-firewalls");
    expect(text).toContain("firewalld lets guests on virbr2 through nowhere");
    expect(text).toContain("bridge virbr0, zone libvirt: firewalld was not told yet");
    expect(text).not.toContain("insert rule inet firewalld");
    expect(text).toContain("1 without a finding");
    expect(status).toBe(1);
  });

  test("once virtwall runs, every packet meets its promise", async () => {
    await virtwall.start();
    await integrated();
    expect(await runner.run(lines)).toEqual(promised);
    const forward = virtwall
      .status()
      .integration.chains.find(({ by, chain }) => by === "nft" && chain === "filter_FORWARD");
    expect(forward?.reason).toBe("through firewalld's own policies");
  });

  test("doctor has nothing against it then", () => {
    expect(virtwall.run("doctor", "host-firewall", "two-firewalls")).toEqual({
      status: 0,
      text: "0 errors, 0 warnings, 2 without a finding, 0 skipped\n",
    });
  });

  test("doctor knows what libvirts of these versions do wrong beside it", () => {
    const filtered = mkdtempSync("/run/filtered-");
    cpSync(inventory, filtered, { recursive: true });
    const guest = join(filtered, "domains/nat1.xml");
    const xml = readFileSync(guest, "utf8");
    writeFileSync(
      guest,
      xml.replace("</interface>", "<filterref filter='clean-traffic'/></interface>"),
    );
    const faultsOf = (version: string) => {
      const shims = mkdtempSync("/run/libvirt-");
      const shim = `#!/bin/sh\necho 'virtnetworkd (libvirt) ${version}'\n`;
      writeFileSync(join(shims, "virtnetworkd"), shim, { mode: 0o755 });
      const env = {
        DBUS_SYSTEM_BUS_ADDRESS: firewalld.busAddress,
        PATH: `${shims}:${process.env["PATH"]}`,
      };
      const host = new VirtwallOnHost(world, { policy: "{}", inventory: filtered, env });
      return host.run("doctor", "libvirt-faults").text;
    };
    expect(faultsOf("8.9.0")).toMatch(/libvirt leaves 'nat1' without filters[^]*lets nobody in/);
    expect(faultsOf("11.5.0")).toContain("0 errors, 1 warning,");
    expect(faultsOf("11.6.0")).toContain("0 errors, 0 warnings, 1 without a finding");
  });

  test("libvirt's zone keeps its bridge, and ours has the others", async () => {
    expect(await firewalld.tell("--get-zone-of-interface=virbr0")).toBe("libvirt");
    expect(await firewalld.tell("--get-zone-of-interface=virbr2")).toBe("virtwall");
  });

  test("written down is nothing that opens anything before virtwall runs", async () => {
    const zone = await firewalld.tell("--permanent", "--zone=virtwall", "--list-interfaces");
    const bridged = await firewalld.tell(
      "--permanent",
      "--policy=virtwall-in",
      "--list-egress-zones",
    );
    expect([zone, bridged]).toEqual(["", "virtwall"]);
  });

  test("after a reload every packet meets its promise", async () => {
    await firewalld.tell("--reload");
    await integrated();
    expect(await runner.run(lines)).toEqual(promised);
  });

  test("after a restart every packet meets its promise", async () => {
    await firewalld.stop();
    await firewalld.start();
    await integrated();
    expect(await runner.run(lines)).toEqual(promised);
  });

  test("killed and started again, and reloaded in a loop, it is told again each time", async () => {
    await firewalld.stop("SIGKILL");
    await firewalld.start();
    for (let i = 0; i < 5; i += 1) await firewalld.tell("--reload");
    await integrated();
    expect(await firewalld.tell("--get-zone-of-interface=virbr2")).toBe("virtwall");
  });

  test("killed at any moment of its start, while it is told or before, it is told once it is there", async () => {
    for (const ms of [200, 500, 800, 1_100, 1_400]) {
      await firewalld.stop("SIGKILL");
      firewalld.launch();
      await setTimeout(ms);
    }
    await firewalld.stop("SIGKILL");
    await firewalld.start();
    await integrated();
    expect(await firewalld.tell("--get-zone-of-interface=virbr2")).toBe("virtwall");
    expect(virtwall.status().errors).toEqual([]);
  });

  test("nothing that the admin changed at run time is lost to us, and nothing of ours stays", async () => {
    await firewalld.tell("--zone=libvirt", "--change-interface=virbr0");
    await firewalld.tell("--zone=public", "--add-port=8443/tcp");
    expect(() => virtwall.clean()).toThrow("changed at run time only (zone public: ports)");
    expect(await firewalld.tell("--zone=public", "--list-ports")).toBe("8443/tcp");
    await firewalld.tell("--zone=public", "--remove-port=8443/tcp");
    virtwall.clean();
    expect(await firewalld.listing()).toBe(before);
  });

  test("with `print` what status says, typed by hand, lets guests pass", async () => {
    const policy = `host: { integration: print }\n${readFileSync(join(folder, "policy.yaml"), "utf8")}`;
    const env = { DBUS_SYSTEM_BUS_ADDRESS: firewalld.busAddress };
    virtwall = new VirtwallOnHost(world, { policy, inventory, env });
    await virtwall.start();
    const bridges = () =>
      virtwall.status().integration.chains.filter(({ by }) => by === "firewalld");
    const typed: string[] = [];
    // What is written down comes into force first; bridges are bound then.
    await until(() => bridges().some(({ line }) => line !== undefined));
    for (let turn = 0; turn < 2; turn += 1) {
      const line = bridges().find((bridge) => bridge.line !== undefined)?.line ?? "true";
      await root.run("sh", "-c", line);
      typed.push(line);
      await until(() => bridges().every((bridge) => bridge.line !== line));
    }
    expect(typed[0]).toContain("--new-zone=virtwall");
    expect(bridges().map(({ state }) => state)).toEqual(bridges().map(() => "passed"));
    expect(await runner.run(lines)).toEqual(promised);
    virtwall.clean();
    // firewall-cmd is started anew for each word of it.
  }, 180_000);

  test("doctor finds ufw where it is switched on beside it", async () => {
    const doctor = () => virtwall.run("doctor", "two-firewalls").text;
    expect(doctor()).toContain("0 errors, 0 warnings");
    const other = ufw(root);
    await other.start();
    expect(doctor()).toContain("firewalld and ufw manage this host's firewall at once");
    await other.stop();
    expect(doctor()).toContain("0 errors, 0 warnings");
  });
});
