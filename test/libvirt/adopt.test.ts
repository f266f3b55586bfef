import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import { fetchByGuest, fetchPage } from "../../lab/fetch-page.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { asClient, client, uplink } from "../../lab/uplink.ts";
import type { AdoptResult } from "../../src/cli/adopt.ts";
import { startHypervisor, type Hypervisor } from "./hypervisor.ts";
import { interrupted } from "./interrupted.ts";

const publicPage = `http://${uplink.address}:8080/`;
const policyFile = "/etc/virtwall/policy.yaml";
const program = [process.execPath, join(projectRoot(), "bin", "virtwall")];
const policy = `# of this host
guests:
  web1:   # nginx
    publish:
      - { address: ${uplink.address}, ports: ["tcp/8080:80"] }
`;
/** Longer than the restart of a network takes, with the 4 s for which its new bridge only listens. */
const slowSeconds = 25;
const ticks = slowSeconds - 5;

/** Says who asks; and a page that takes its time: a line a second. */
const slowServer = `
require("node:http").createServer((request, response) => {
  if (request.url === "/peer") {
    response.end(request.socket.remoteAddress + "\\n");
    return;
  }
  let left = ${ticks};
  const timer = setInterval(() => {
    response.write("tick\\n");
    if (--left === 0) { clearInterval(timer); response.end(); }
  }, 1000);
}).listen(9000, "${client.address}");
`;

let hypervisor: Hypervisor;
let xmlBefore = "";
let tapsBefore = "";

beforeAll(async () => {
  hypervisor = await startHypervisor({
    networks: [
      `<network>
        <name>dual</name>
        <forward mode='nat'><nat><port start='2000' end='3000'/></nat></forward>
        <bridge name='virbr6'/>
        <ip address='192.168.123.1' prefix='24'/>
        <ip family='ipv6' address='fd00:123::1' prefix='64'/>
      </network>`,
      `<network>
        <name>narrow</name>
        <forward mode='nat' dev='${uplink.name}'/>
        <bridge name='virbr7'/>
        <ip address='192.168.124.1' prefix='24'/>
      </network>`,
      `<network>
        <name>ranged</name>
        <forward mode='nat'>
          <nat><address start='${uplink.extraAddress}' end='${uplink.extraAddress}'/></nat>
        </forward>
        <bridge name='virbr9'/>
        <ip address='192.168.126.1' prefix='24'>
          <dhcp><range start='192.168.126.2' end='192.168.126.9'/></dhcp>
        </ip>
      </network>`,
      `<network>
        <name>routed</name>
        <forward mode='route'/>
        <bridge name='virbr8'/>
        <ip address='192.168.125.1' prefix='24'>
          <dhcp><range start='192.168.125.2' end='192.168.125.9'/></dhcp>
        </ip>
      </network>`,
    ],
    guests: [
      { name: "web1", mac: "52:54:00:00:00:01" },
      { name: "web2", mac: "52:54:00:00:00:02" },
      { name: "web3", mac: "52:54:00:00:00:03", network: "routed" },
      { name: "web4", mac: "52:54:00:00:00:04", network: "ranged" },
    ],
    policy,
  });
  const { world, libvirt } = hypervisor;
  await world.start([...asClient, process.execPath, "-e", slowServer]);
  xmlBefore = await libvirt.virsh("net-dumpxml", "--inactive", "default");
  tapsBefore = await taps();
});

afterAll(async () => {
  await hypervisor?.stop();
});

function asked(url: string): Promise<string> {
  return fetchPage(hypervisor.world, url, { from: asClient, timeoutMs: 6_000 });
}

/** Over two connections at once: from outside to the publication, and from there through NAT to the outside. */
function slowPage(): Promise<string> {
  const url = `${publicPage}cgi-bin/fetch?http://${client.address}:9000/slow/${slowSeconds}`;
  return fetchPage(hypervisor.world, url, { from: asClient, timeoutMs: 40_000 });
}

async function taps(): Promise<string> {
  const lists = ["web1", "web2"].map((guest) => hypervisor.libvirt.virsh("domiflist", guest));
  return (await Promise.all(lists)).join("");
}

async function masters(): Promise<string> {
  const links = await hypervisor.world.must(["ip", "-o", "link", "show", "master", "virbr0"]);
  return [...links.matchAll(/ (vnet\d+):/g)].map(([, tap]) => tap).join(" ");
}

async function adopt(...words: readonly string[]): Promise<AdoptResult> {
  return JSON.parse(await hypervisor.virtwall("adopt", ...words, "--json")) as AdoptResult;
}

async function expectReachability(): Promise<void> {
  const { world, addresses } = hypervisor;
  const [web1 = "", web2 = ""] = ["web1", "web2"].map((guest) => addresses.get(guest));
  await expect.poll(() => asked(publicPage)).toBe("I am web1\n");
  expect(await asked(`${publicPage}cgi-bin/whoami`)).toBe(`${client.address}\n`);
  expect(await asked(`${publicPage}cgi-bin/connect?${client.address}:9000`)).toBe("open\n");
  expect(await asked(`${publicPage}cgi-bin/connect?192.168.122.1:53`)).toBe("open\n");
  expect(await asked(`${publicPage}cgi-bin/connect?192.168.122.1:22`)).toBe("closed\n");
  expect(await fetchByGuest(world, web2, publicPage)).toBe("I am web1\n");
  const route = ["192.168.122.0/24", "via", uplink.address];
  await world.must([...asClient, "ip", "route", "add", ...route]);
  expect(await asked(`http://${web1}/`)).toBe("");
  await world.must([...asClient, "ip", "route", "del", ...route]);
}

const readPolicy = () => readFile(hypervisor.world.pathOf(policyFile), "utf8");

test("a dry run finds no difference, and touches nothing", async () => {
  const found = await adopt("default", "--dry-run");
  expect(found).toMatchObject({ state: "possible", differences: [], obstacles: [] });
  expect(found.policy).toEqual({ file: policyFile, keys: { mode: "nat" } });
  expect(found.reach["the outside to guests of default"]).toBe("publications only");
  expect(await hypervisor.libvirt.virsh("net-dumpxml", "--inactive", "default")).toBe(xmlBefore);
  expect(await readPolicy()).toBe(policy);
});

test("what libvirt's XML asks for goes into the policy", async () => {
  const { policy: edited } = await adopt("dual", "--dry-run");
  expect(edited?.keys).toEqual({ mode: "nat", nat: { ports: "2000-3000", ipv6: false } });
});

test("a network whose rules the policy cannot say stays as it is", async () => {
  const { world } = hypervisor;
  const refused = await world.run([...program, "adopt", "narrow"]);
  expect(refused.status).toBe(1);
  expect(refused.stdout).toContain(`by ${uplink.name} only`);
});

test("a network that was edited since its start is not restarted behind anybody's back", async () => {
  const { virsh } = hypervisor.libvirt;
  const host = "<host mac='52:54:00:00:00:77' ip='192.168.125.7'/>";
  const edit = (verb: string) =>
    virsh("net-update", "routed", verb, "ip-dhcp-host", host, "--config");
  await edit("add-last");
  const refused = await hypervisor.world.run([...program, "adopt", "routed", "--dry-run"]);
  expect(refused.status).toBe(1);
  expect(refused.stdout).toContain("routed was edited since it was started");
  await edit("delete");
});

test("^C while the network restarts gives it back to libvirt, and says so", async () => {
  const { world, libvirt } = hypervisor;
  const stopped = await interrupted(world, "net-start", [...program, "adopt", "default"]);
  expect(stopped.status).toBe(3);
  expect(stopped.stderr).toMatch(/SIGINT: ends with its next step[^]*stopped by SIGINT/);
  expect(await libvirt.virsh("net-dumpxml", "--inactive", "default")).toBe(xmlBefore);
  expect(await readPolicy()).toBe(policy);
  expect(await world.must(["iptables-save"])).toContain("virbr0");
  expect(await taps()).toBe(tapsBefore);
});

test("killed in its midst it is undone by its backup, over which no other adoption is begun", async () => {
  const { world, libvirt } = hypervisor;
  const killed = await world.start([...program, "adopt", "default"]);
  await expect.poll(() => killed.output()).toContain("restarting the network");
  await killed.end("SIGKILL");
  const again = await world.run([...program, "adopt", "default"]);
  if (again.status === 0) expect(again.stdout).toContain("open already");
  else expect(again.stderr).toContain("virtwall adopt default --undo");
  expect(await adopt("default", "--undo")).toMatchObject({ state: "given back" });
  expect(await libvirt.virsh("net-dumpxml", "--inactive", "default")).toBe(xmlBefore);
  expect(await readPolicy()).toBe(policy);
  expect(await taps()).toBe(tapsBefore);
});

test("adopted under running guests, with their nics, addresses and connections", async () => {
  const { world, libvirt, virtwall } = hypervisor;
  await expectReachability();
  const slow = slowPage();
  await setTimeout(2_000);
  const masked = await masters();
  const done = await adopt("default");
  expect(done).toMatchObject({ state: "adopted", differences: [] });
  expect(await masters()).toBe(masked);
  expect(await slow).toBe(`ok\n${"tick\n".repeat(ticks)}`);
  expect(await taps()).toBe(tapsBefore);
  expect(await libvirt.virsh("net-dumpxml", "default")).toContain("<forward mode='open'/>");
  expect(await world.must(["iptables-save"])).not.toContain("virbr0");
  expect(await readPolicy()).toBe(`${policy}networks:\n  default: { mode: nat }\n`);
  for (const [guest, address] of hypervisor.addresses) {
    expect(await libvirt.virsh("domifaddr", guest)).toContain(address);
  }
  await expectReachability();
  expect(await virtwall("status")).toContain("default");
});

test("adopted already it says so, and stop --clean refuses to leave its guests without rules", async () => {
  expect(await adopt("default")).toMatchObject({ state: "open already" });
  const refused = await hypervisor.world.run([...program, "stop", "--clean"]);
  expect(refused.status).toBe(3);
  expect(refused.stderr).toContain("virtwall adopt default --undo");
});

test("an edit that waits for a restart is in the way of giving it back", async () => {
  const { world, libvirt } = hypervisor;
  const host = "<host ip='192.168.122.77'><hostname>later</hostname></host>";
  const edit = (verb: string) =>
    libvirt.virsh("net-update", "default", verb, "dns-host", host, "--config");
  await edit("add-last");
  const edited = await libvirt.virsh("net-dumpxml", "--inactive", "default");
  const refused = await world.run([...program, "adopt", "default", "--undo"]);
  expect(refused.status).toBe(1);
  expect(refused.stdout).toContain("default was edited since it was started");
  expect(await libvirt.virsh("net-dumpxml", "--inactive", "default")).toBe(edited);
  await edit("delete");
});

test("given back, libvirt's XML and the policy are what they were, byte for byte, and connections go on", async () => {
  const { world, libvirt } = hypervisor;
  const slow = slowPage();
  await setTimeout(2_000);
  expect(await adopt("default", "--undo")).toMatchObject({ state: "given back", differences: [] });
  expect(await slow).toBe(`ok\n${"tick\n".repeat(ticks)}`);
  expect(await libvirt.virsh("net-dumpxml", "--inactive", "default")).toBe(xmlBefore);
  expect(await readPolicy()).toBe(policy);
  expect(await world.must(["iptables-save"])).toContain("virbr0");
  expect(await taps()).toBe(tapsBefore);
  await expectReachability();
});

test("a routed network is adopted and given back with its guest as open to the outside as it was", async () => {
  const { world, libvirt, addresses } = hypervisor;
  const route = ["192.168.125.0/24", "via", uplink.address];
  await world.must([...asClient, "ip", "route", "add", ...route]);
  const page = `http://${addresses.get("web3") ?? ""}/`;
  const expectOpen = async (): Promise<void> => {
    await expect.poll(() => asked(page)).toBe("I am web3\n");
    expect(await asked(`${page}cgi-bin/whoami`)).toBe(`${client.address}\n`);
    expect(await asked(`${page}cgi-bin/connect?${client.address}:9000`)).toBe("open\n");
  };
  await expectOpen();
  expect(await adopt("routed")).toMatchObject({ state: "adopted", differences: [] });
  expect(await libvirt.virsh("net-dumpxml", "routed")).toContain("<forward mode='open'/>");
  expect(await world.must(["iptables-save"])).not.toContain("virbr8");
  expect(await readPolicy()).toBe(`${policy}networks:\n  routed: { mode: route }\n`);
  await expectOpen();
  const host = "<host mac='52:54:00:00:00:77' ip='192.168.125.7'/>";
  await libvirt.virsh("net-update", "routed", "add", "ip-dhcp-host", host, "--live", "--config");
  expect(await adopt("routed", "--undo")).toMatchObject({
    state: "given back",
    differences: ["routed was edited since, and that stays"],
  });
  expect(await libvirt.virsh("net-dumpxml", "routed")).toMatch(
    /<forward mode='route'\/>[^]*52:54:00:00:00:77/,
  );
  expect(await readPolicy()).toBe(policy);
  await expectOpen();
});

test("a network with an address of its own for NAT keeps it, and a second adopted one leaves the policy's lines alone", async () => {
  const { world, addresses } = hypervisor;
  const page = `http://${addresses.get("web4") ?? ""}/`;
  const route = ["192.168.126.0/24", "via", uplink.address];
  const seenByClient = async (): Promise<string> => {
    const url = `${page}cgi-bin/fetch?http://${client.address}:9000/peer`;
    return await fetchPage(world, url, { timeoutMs: 6_000 });
  };
  const expectRange = async (): Promise<void> => {
    await expect.poll(seenByClient).toBe(`ok\n${uplink.extraAddress}\n`);
    await world.must([...asClient, "ip", "route", "add", ...route]);
    expect(await asked(page)).toBe("");
    await world.must([...asClient, "ip", "route", "del", ...route]);
  };
  await expectRange();
  expect(await adopt("routed")).toMatchObject({ state: "adopted", differences: [] });
  expect(await adopt("ranged")).toMatchObject({ state: "adopted", differences: [] });
  const routed = "  routed: { mode: route }\n";
  const nat = `  ranged: { mode: nat, nat: { address: ${uplink.extraAddress} } }\n`;
  expect(await readPolicy()).toBe(`${policy}networks:\n${routed}${nat}`);
  expect(await world.must(["iptables-save"])).not.toContain("virbr9");
  await expectRange();
  expect(await adopt("routed", "--undo")).toMatchObject({ state: "given back" });
  expect(await readPolicy()).toBe(`${policy}networks:\n${nat}`);
  expect(await adopt("ranged", "--undo")).toMatchObject({ state: "given back" });
  expect(await readPolicy()).toBe(policy);
  await expectRange();
});
