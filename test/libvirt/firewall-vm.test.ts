import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { fetchPage } from "../../lab/fetch-page.ts";
import { addWanBridge, firewallScript, firewallVm, inner6, lanXml } from "../../lab/firewall-vm.ts";
import { hostFirewall, strictRules, type HostFirewall } from "../../lab/host-firewall.ts";
import { startLibvirt, type GuestWish, type Libvirt } from "../../lab/libvirt.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { startStream } from "../../lab/stream/start-stream.ts";
import { addUplink, asClient, client, uplink } from "../../lab/uplink.ts";
import { startVirtwall, virtwall, writePolicy } from "../../lab/virtwall.ts";
import { startWorld, type World } from "../../lab/world.ts";
import { expectNothingLost } from "./nothing-lost.ts";

const { guest, wan, publicAddress, publicAddress6, hostInside, inside, inside6 } = firewallVm;
const innerMac = "52:54:00:00:0f:02";

const policy = `host:
  topology: firewall-vm
  firewallVm: { guest: ${guest}, wan: ${wan} }
  input:
    - { allow: [tcp/22, tcp/2222] }
    - { allow: [tcp/8443, tcp/9443], on: ${firewallVm.network} }
guests:
  ${guest}: { nics: { "${innerMac}": { address: [${inside}, "${inside6}"] } } }
  web1: { nics: { "52:54:00:00:00:01": { address: 192.168.100.10 } } }
`;

/** The host's own firewall lets its services in by the LAN: ours can only narrow. */
const rules = strictRules.replace(
  "tcp dport 22 accept",
  "tcp dport { 22, 2222, 8443, 9443 } accept",
);

const innerNic = `<interface type='network'><mac address='${innerMac}'/><source network='${firewallVm.network}'/><model type='virtio'/></interface>`;

const firewallGuest: GuestWish = {
  name: guest,
  mac: "52:54:00:00:0f:01",
  bridge: wan,
  // A second nic stands behind the first.
  interfaceXml: `</interface>${innerNic.replace("</interface>", "")}`,
  firewall: firewallScript,
};

const web2 = inner6("52:54:00:00:00:02");

const inLan = (name: string, last: number, gateway: string): GuestWish => ({
  name,
  mac: `52:54:00:00:00:0${last}`,
  network: firewallVm.network,
  address: `192.168.100.1${last - 1}/24`,
  gateway,
});

/** Servers of the host, each naming itself: one for its own address, the others as the firewall guest forwards to them. */
const servers = `
const http = require("node:http");
for (const port of [2222, 8000, 8443, 9443]) {
  for (const host of ["0.0.0.0", "::"]) {
    const answer = (request, reply) => reply.end(\`host \${port} \${request.socket.remoteAddress}\`);
    http.createServer(answer).listen({ host, port, ipv6Only: true });
  }
}
`;

let world: World;
let libvirt: Libvirt;
let firewall: HostFirewall;

beforeAll(async () => {
  world = await startWorld();
  await addUplink(world);
  firewall = await hostFirewall(world, rules);
  libvirt = await startLibvirt(world);
  await libvirt.virsh("net-destroy", "default");
  await libvirt.startNetwork(lanXml);
  await addWanBridge(world);
  await writePolicy(world, policy);
  await startVirtwall(world);
  await world.start([process.execPath, "-e", servers]);
  await libvirt.startGuest(firewallGuest);
  await libvirt.startGuest(inLan("web1", 1, inside));
  await libvirt.startGuest(inLan("web2", 2, hostInside));
  await libvirt.startGuest({
    name: "rogue",
    mac: "52:54:00:00:00:66",
    bridge: wan,
    address: "203.0.113.66/24",
    gateway: client.address,
  });
  // Whoever wants to go around the firewall guest finds the way back: only rules and settings of the host are in it.
  const back = ["route", "add", "192.168.100.0/24", "via", uplink.address];
  await world.must(["ip", "-n", client.namespace, ...back]);
  const routes6 = [
    [firewallVm.prefix6, publicAddress6],
    [`${web2}/128`, uplink.address6],
  ] as const;
  for (const [to, via] of routes6) {
    await world.must(["ip", "-n", client.namespace, "route", "add", to, "via", via]);
  }
  await until("web1", () => fromOutside(`${publicAddress}:8080/`), "I am web1");
  await until("web1", () => fromOutside(`[${publicAddress6}]:8080/`), "I am web1");
  await until("web2", () => fetchPage(world, "http://192.168.100.11/"), "I am web2");
}, 300_000);

afterAll(async () => {
  await world?.stop();
});

const fromOutside = (page: string) =>
  fetchPage(world, `http://${page}`, { from: asClient, timeoutMs: 3_000 });

/** What a guest of the LAN says, asked by the host. */
const ofGuest = (address: string, query: string) =>
  fetchPage(world, `http://${address}/cgi-bin/${query}`, { timeoutMs: 8_000 });

async function until(what: string, ask: () => Promise<string>, wanted: string): Promise<void> {
  const deadline = Date.now() + 120_000;
  let last = "";
  while (Date.now() < deadline) {
    last = await ask();
    if (last.includes(wanted)) return;
    await setTimeout(200);
  }
  const consoles = [guest, what].map((name) => join(world.folder, `console-${name}.log`));
  const said = await Promise.all(consoles.map((file) => readFile(file, "utf8")));
  throw new Error(`${what} did not answer ${wanted} in time: ${last}\n${said.join("\n")}`);
}

interface Finding {
  readonly id: string;
  readonly evidence: readonly string[];
}

/** Ids of the points that do not hold. */
const failing = async () => [...new Set((await findings()).map(({ id }) => id))];

async function findings(): Promise<readonly Finding[]> {
  const program = [process.execPath, join(projectRoot(), "bin", "virtwall")];
  const { stdout, status } = await world.run([...program, "topology", "check", "--json"], {
    timeoutMs: 60_000,
  });
  const { findings: found, skipped } = JSON.parse(stdout) as {
    readonly findings: readonly Finding[];
    readonly skipped: readonly { readonly isRefused: boolean }[];
  };
  expect(skipped.filter(({ isRefused }) => isRefused)).toEqual([]);
  expect(status).toBe(found.length > 0 ? 1 : 0);
  return found;
}

test("the world reaches what the firewall guest publishes, under its own address", async () => {
  expect(await fromOutside(`${publicAddress}:8080/cgi-bin/whoami`)).toBe(`${client.address}\n`);
  expect(await fromOutside(`[${publicAddress6}]:8080/cgi-bin/whoami`)).toBe(`${client.address6}\n`);
});

test("a guest of the LAN reaches the world through the firewall guest, and nobody goes around it", async () => {
  expect(await ofGuest("192.168.100.10", `ping?${client.farAddress}`)).toBe("open\n");
  expect(await ofGuest("192.168.100.11", `ping?${client.farAddress}`)).toBe("closed\n");
  expect(await fromOutside("192.168.100.10/")).toBe("");
  expect(await ofGuest("192.168.100.10", `ping?${client.address6}`)).toBe("open\n");
  expect(await fromOutside(`[${web2}]/`)).toBe("");
});

const forwarding = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];

test("with forwarding turned on by somebody the host is no way around either", async () => {
  await world.must(["sysctl", "-qw", ...forwarding.map((name) => `${name}=1`)]);
  expect(await ofGuest("192.168.100.11", `ping?${client.farAddress}`)).toBe("closed\n");
  expect(await fromOutside("192.168.100.10/")).toBe("");
  expect(await fromOutside(`[${web2}]/`)).toBe("");
  expect(await failing()).toContain("forwarding-off");
  await world.must(["sysctl", "-qw", ...forwarding.map((name) => `${name}=0`)]);
});

test.each([
  [uplink.address, client.address],
  [`[${uplink.address6}]`, client.address6],
])("the host's own address %s is closed but for administration", async (address, from) => {
  expect(await fromOutside(`${address}:2222/`)).toBe(`host 2222 ${from}`);
  const closed = [8000, 8443, 9443].map((port) => fromOutside(`${address}:${port}/`));
  expect(await Promise.all(closed)).toEqual(["", "", ""]);
});

test("another guest that is plugged into the bridge of the WAN passes nothing", async () => {
  expect(await fromOutside("203.0.113.66/")).toBe("");
  expect(await failing()).toContain("firewall-nics");
});

describe("a service of the host behind the firewall guest's NAT", () => {
  test("is open where its source is rewritten, by host.input", async () => {
    expect(await fromOutside(`${publicAddress}:8443/`)).toBe(`host 8443 ${inside}`);
  });

  test("and under the world's own addresses, where the answers go back through the guest", async () => {
    expect(await fromOutside(`${publicAddress}:9443/`)).toBe("");
    await world.must(["ip", "rule", "add", "from", hostInside, "lookup", "100"]);
    const near = ["192.168.100.0/24", "dev", firewallVm.bridge];
    await world.must(["ip", "route", "add", ...near, "table", "100"]);
    await world.must(["ip", "route", "add", "default", "via", inside, "table", "100"]);
    expect(await fromOutside(`${publicAddress}:9443/`)).toBe(`host 9443 ${client.address}`);
  });
});

test("20 restarts of the host's firewall, and its tables flushed meanwhile, cost the firewall guest's traffic nothing", async () => {
  const stream = await startStream(world, {
    address: publicAddress,
    httpPort: 8080,
    udpPort: 7007,
    page: "I am web1",
    datagramsPerSecond: 200,
    datagramsPerFlow: 50,
    connectionsPerSecond: 5,
  });
  await setTimeout(200);
  for (let done = 0; done < 20; done += 1) {
    await firewall.restart();
    await world.must(["nft", "flush", "table", "inet", "filter"]);
    await world.must(["nft", "flush", "ruleset"]);
    await setTimeout(20);
  }
  await firewall.restart();
  await setTimeout(300);
  expectNothingLost(await stream.end());
});

describe("virtwall topology check", () => {
  beforeAll(async () => {
    await libvirt.virsh("destroy", "rogue");
    const folder = world.pathOf("/etc/libvirt/qemu");
    await mkdir(join(folder, "autostart"), { recursive: true });
    await writeFile(join(folder, "autostart", `${guest}.xml`), "");
    await libvirt.virsh("net-autostart", firewallVm.network);
  });

  test("finds each point as it should be", async () => {
    expect(await findings()).toEqual([]);
  });

  const faults: readonly [string, string, string, string][] = [
    [
      "an address that moves to the bridge",
      "ip addr add 203.0.113.9/24 dev br-wan",
      "ip addr del 203.0.113.9/24 dev br-wan",
      "wan-bridge",
    ],
    [
      "an uplink that is no port of it",
      `ip link set ${uplink.name} nomaster`,
      `ip link set ${uplink.name} master br-wan`,
      "wan-bridge",
    ],
    [
      "a host that answers for others",
      "sysctl -qw net.ipv4.conf.br-wan.arp_ignore=0",
      "sysctl -qw net.ipv4.conf.br-wan.arp_ignore=1",
      "wan-silent",
    ],
    [
      "frames that meet rules of IP",
      "sysctl -qw net.bridge.bridge-nf-call-iptables=1",
      "sysctl -qw net.bridge.bridge-nf-call-iptables=0",
      "bridged-frames",
    ],
    [
      "a guest that starts in any order",
      "touch /etc/libvirt/qemu/autostart/web1.xml",
      "rm /etc/libvirt/qemu/autostart/web1.xml",
      "autostart",
    ],
    [
      "a firewall guest that hangs",
      `virsh suspend ${guest}`,
      `virsh resume ${guest}`,
      "firewall-answers",
    ],
    [
      "a firewall guest without its second nic",
      `virsh detach-interface ${guest} network --mac ${innerMac}`,
      "true",
      "firewall-nics",
    ],
    ["a firewall guest that has crashed", `virsh destroy ${guest}`, "true", "firewall-nics"],
  ];

  test.each(faults)("tells %s", async (_what, cause, undo, id) => {
    await world.must(["sh", "-c", cause]);
    await expect.poll(failing).toContain(id);
    await world.must(["sh", "-c", undo]);
  });
});

test("without our rules the way around is there: they are what closes it", async () => {
  await virtwall(world, "stop", "--clean");
  await world.must(["nft", "flush", "ruleset"]);
  await world.must(["sysctl", "-qw", ...forwarding.map((name) => `${name}=1`)]);
  expect(await ofGuest("192.168.100.11", `ping?${client.farAddress}`)).toBe("open\n");
  // The host takes the place of the firewall guest, which has crashed, for answers of IPv6.
  const router = inner6(innerMac).replace("2001:db8:2:0:", "fe80::");
  await world.must(["ip", "addr", "add", `${router}/64`, "dev", firewallVm.bridge, "nodad"]);
  await until("web2", () => fromOutside(`[${web2}]/`), "I am web2");
  expect(await fromOutside(`${uplink.address}:8000/`)).toBe(`host 8000 ${client.address}`);
  expect(await fromOutside(`[${uplink.address6}]:8000/`)).toBe(`host 8000 ${client.address6}`);
});
