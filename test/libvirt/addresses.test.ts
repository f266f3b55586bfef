import { afterAll, beforeAll, expect, test } from "vitest";

import { fetchPage } from "../../lab/fetch-page.ts";
import type { Running } from "../../lab/running.ts";
import { asClient, uplink } from "../../lab/uplink.ts";
import { startHypervisor, type Hypervisor } from "./hypervisor.ts";

const moved = { name: "moved", mac: "52:54:00:00:00:01" };
const stays = { name: "stays", mac: "52:54:00:00:00:02" };
const still = { name: "still", mac: "52:54:00:00:00:03", network: "quiet" };

/** Reads lines, sends them over one connection, and prints what comes back. */
const talker = `
const [host, port] = process.argv.slice(1);
const socket = require("node:net").connect(Number(port), host);
socket.on("error", () => process.exit(1));
process.stdin.pipe(socket).pipe(process.stdout);
`;

let hypervisor: Hypervisor;

beforeAll(async () => {
  hypervisor = await startHypervisor({
    networks: [
      `<network>
        <name>reserved</name>
        <forward mode='nat'/>
        <bridge name='virbr5'/>
        <ip address='192.168.125.1' prefix='24'>
          <dhcp>
            <range start='192.168.125.100' end='192.168.125.200'/>
            <host mac='${moved.mac}' ip='192.168.125.50'/>
          </dhcp>
        </ip>
      </network>`,
      `<network>
        <name>quiet</name>
        <forward mode='nat'/>
        <bridge name='virbr6'/>
        <ip address='192.168.126.1' prefix='24'/>
      </network>`,
    ],
    guests: [
      { ...moved, network: "reserved" },
      { ...stays, network: "reserved" },
    ],
    policy: `guests:
  moved: { publish: [{ address: ${uplink.address}, ports: [tcp/8081:80, tcp/7001:7] }] }
  stays: { publish: [{ address: ${uplink.address}, ports: [tcp/8082:80, tcp/7002:7] }] }
  still: { publish: [{ address: ${uplink.address}, ports: [tcp/8083:80] }] }
`,
  });
});

afterAll(async () => {
  await hypervisor?.stop();
});

function asked(port: number): Promise<string> {
  const url = `http://${uplink.address}:${port}/`;
  return fetchPage(hypervisor.world, url, { from: asClient, timeoutMs: 1_000 });
}

async function addressesOf(guest: string): Promise<unknown> {
  const status = JSON.parse(await hypervisor.virtwall("status", "--json")) as {
    readonly guests: readonly {
      readonly name: string;
      readonly nics: readonly { readonly addresses: unknown }[];
    }[];
  };
  return status.guests.find(({ name }) => name === guest)?.nics[0]?.addresses;
}

function talk(port: number): Promise<Running> {
  const words = [process.execPath, "-e", talker, uplink.address, String(port)];
  return hypervisor.world.start([...asClient, ...words]);
}

async function says(connection: Running, word: string): Promise<void> {
  connection.stdin.write(`${word}\n`);
  await expect.poll(() => connection.stdout()).toContain(word);
}

test("a guest whose reservation changes keeps its publications when it has renewed its lease; its flows end, others go on", async () => {
  const { world, libvirt } = hypervisor;
  const ofMoved = await talk(7001);
  const ofStays = await talk(7002);
  await says(ofMoved, "one");
  await says(ofStays, "one");

  const host = `<host mac='${moved.mac}' ip='192.168.125.60'/>`;
  await libvirt.virsh("net-update", "reserved", "modify", "ip-dhcp-host", host, "--live");
  expect(await fetchPage(world, "http://192.168.125.50/cgi-bin/renew")).toBe("asked\n");

  await expect.poll(() => asked(8081)).toBe("I am moved\n");
  expect(await addressesOf("moved")).toContainEqual(
    expect.objectContaining({ address: "192.168.125.60" }),
  );
  expect(await libvirt.virsh("net-dhcp-leases", "reserved")).toContain("192.168.125.60/24");
  expect(await hypervisor.virtwall("events")).toContain("cut 1 flow of moved tcp/7001");
  const flows = (port: string) =>
    world.must(["conntrack", "-L", "-p", "tcp", "--orig-port-dst", port]);
  expect(await flows("7001")).toBe("");
  expect(await flows("7002")).toContain("ESTABLISHED");
  await says(ofStays, "two");
  expect(await hypervisor.virtwall("events")).not.toContain("of stays");
  await ofMoved.end();
  await ofStays.end();
});

test("a guest that comes back under another client identifier is followed, though its former lease stands", async () => {
  const { world, libvirt } = hypervisor;
  const before = hypervisor.addresses.get("stays") ?? "";
  expect(await fetchPage(world, `http://${before}/cgi-bin/renew?anew`)).toBe("asked\n");
  const leases = () => libvirt.virsh("net-dhcp-leases", "reserved", "--mac", stays.mac);
  await expect.poll(leases).toMatch(/ipv4.*\n.*ipv4/);
  expect(await leases()).toContain(`${before}/24`);
  await expect.poll(() => asked(8082)).toBe("I am stays\n");
  expect(await fetchPage(world, `http://${before}/`, { timeoutMs: 1_000 })).toBe("");
});

test("the address of a guest without DHCP is what its agent says, and its publication follows the agent", async () => {
  const { world, libvirt } = hypervisor;
  await libvirt.startGuest({ ...still, hasAgent: true, address: "192.168.126.10/24" });
  await expect.poll(() => asked(8083)).toBe("I am still\n");
  expect(await addressesOf("still")).toEqual([{ address: "192.168.126.10", source: "agent" }]);

  const change =
    "ip addr del 192.168.126.10/24 dev eth0; ip addr add 192.168.126.20/24 dev eth0; ip route add default via 192.168.126.1";
  const order = {
    execute: "guest-exec",
    arguments: { path: "/bin/busybox", arg: ["sh", "-c", change] },
  };
  await libvirt.virsh("qemu-agent-command", "still", JSON.stringify(order));
  await expect.poll(() => asked(8083), { timeout: 90_000 }).toBe("I am still\n");
  expect(await addressesOf("still")).toEqual([{ address: "192.168.126.20", source: "agent" }]);
  expect(await world.must(["ip", "neigh", "show", "dev", "virbr6"])).toContain("192.168.126.20");
});
