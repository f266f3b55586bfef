import { afterAll, beforeAll, expect, test } from "vitest";

import { fetchByGuest, fetchPage } from "../../lab/fetch-page.ts";
import { asClient, client, uplink } from "../../lab/uplink.ts";
import { startHypervisor, type Hypervisor } from "./hypervisor.ts";

const publicPage = `http://${uplink.address}:8080/`;
const publicPage6 = `http://[${uplink.extraAddress6}]:8080/`;
/** SLAAC makes it of the prefix and the nic's MAC. */
const dualAddress6 = "fd00:123::5054:ff:fe00:3";

interface Nic {
  readonly addresses: readonly { readonly address: string; readonly source: string }[];
}

let hypervisor: Hypervisor;

beforeAll(async () => {
  hypervisor = await startHypervisor({
    networks: [
      `<network>
        <name>dual</name>
        <forward mode='nat'><nat ipv6='yes'/></forward>
        <bridge name='virbr6'/>
        <ip address='192.168.123.1' prefix='24'>
          <dhcp><range start='192.168.123.2' end='192.168.123.254'/></dhcp>
        </ip>
        <ip family='ipv6' address='fd00:123::1' prefix='64'/>
      </network>`,
    ],
    guests: [
      { name: "web1", mac: "52:54:00:00:00:01" },
      { name: "web2", mac: "52:54:00:00:00:02" },
      { name: "dual", mac: "52:54:00:00:00:03", network: "dual" },
    ],
    policy: `guests:
  web1:
    publish:
      - address: ${uplink.address}
        ports: [tcp/8080:80]
  dual:
    publish:
      - address: ${uplink.extraAddress}
        ports: [tcp/8080:80]
      - address: "${uplink.extraAddress6}"
        ports: [tcp/8080:80]
    nics:
      "52:54:00:00:00:03": { address: "${dualAddress6}" }
`,
  });
});

afterAll(async () => {
  await hypervisor?.stop();
});

function addressOf(guest: string): string {
  return hypervisor.addresses.get(guest) ?? "";
}

function asked(url: string, from: readonly string[] = asClient): Promise<string> {
  return fetchPage(hypervisor.world, url, { from, timeoutMs: 3_000 });
}

test("guests get their leases through a host firewall that drops all input", () => {
  expect(addressOf("web1")).toMatch(/^192\.168\.122\.\d+$/);
  expect(addressOf("dual")).toMatch(/^192\.168\.123\.\d+$/);
});

test("virtwall's status names the address of each guest, and where it is known from", async () => {
  const status = JSON.parse(await hypervisor.virtwall("status", "--json")) as {
    readonly guests: readonly { readonly name: string; readonly nics: readonly Nic[] }[];
  };
  const known = new Map(status.guests.map(({ name, nics }) => [name, nics[0]?.addresses ?? []]));
  expect(known.get("web1")).toEqual([{ address: addressOf("web1"), source: "lease" }]);
  expect(known.get("web2")).toEqual([{ address: addressOf("web2"), source: "lease" }]);
});

test("the client outside gets the page, and the guest sees the client's own address", async () => {
  expect(await asked(publicPage)).toBe("I am web1\n");
  expect(await asked(`${publicPage}cgi-bin/whoami`)).toBe(`${client.address}\n`);
});

test("the hypervisor itself gets the page", async () => {
  expect(await asked(publicPage, [])).toBe("I am web1\n");
});

test("another guest of the network gets the page through the public address", async () => {
  const page = await fetchByGuest(hypervisor.world, addressOf("web2"), publicPage);
  expect(page).toBe("I am web1\n");
});

test("the same guest gets its own page through the public address", async () => {
  const page = await fetchByGuest(hypervisor.world, addressOf("web1"), publicPage);
  expect(page).toBe("I am web1\n");
});

test("a guest of another network gets the page through the public address", async () => {
  const page = await fetchByGuest(hypervisor.world, addressOf("dual"), publicPage);
  expect(page).toBe("I am web1\n");
});

test("a guest of another network does not reach the private address", async () => {
  const url = `http://${addressOf("web1")}/`;
  expect(await fetchByGuest(hypervisor.world, addressOf("dual"), url)).toBe("");
});

test("a port that is not published stays closed", async () => {
  expect(await asked(`http://${uplink.address}:8081/`)).toBe("");
});

test("a client that routes straight to the private address gets nothing", async () => {
  const route = ["192.168.122.0/24", "via", uplink.address];
  await hypervisor.world.must([...asClient, "ip", "route", "add", ...route]);
  try {
    expect(await asked(`http://${addressOf("web1")}/`)).toBe("");
  } finally {
    await hypervisor.world.must([...asClient, "ip", "route", "del", ...route]);
  }
});

test("IPv6: client, hypervisor and the guest itself get the page", async () => {
  await expect.poll(() => asked(publicPage6)).toBe("I am dual\n");
  expect(await asked(`${publicPage6}cgi-bin/whoami`)).toBe(`${client.address6}\n`);
  expect(await asked(publicPage6, [])).toBe("I am dual\n");
  const own = await fetchByGuest(hypervisor.world, addressOf("dual"), publicPage6);
  expect(own).toBe("I am dual\n");
});

test("guests reach the outside through NAT, and of the hypervisor only its services", async () => {
  const ask = (question: string) =>
    fetchPage(hypervisor.world, `http://${addressOf("web2")}/cgi-bin/${question}`);
  expect(await ask(`ping?${client.address}`)).toBe("open\n");
  expect(await ask("connect?192.168.122.1:53")).toBe("open\n");
  expect(await ask("connect?192.168.122.1:22")).toBe("closed\n");
});

test("a link that goes down and up, at the guest's end and at the tap, takes no rule along", async () => {
  const { world, libvirt, virtwall } = hypervisor;
  const mac = "52:54:00:00:00:01";
  const [, tap = ""] =
    /(vnet\d+).*52:54:00:00:00:01/.exec(await libvirt.virsh("domiflist", "web1")) ?? [];
  const rules = await world.must(["nft", "-s", "list", "table", "inet", "virtwall"]);
  const changes = [
    (state: string) => libvirt.virsh("domif-setlink", "web1", mac, state),
    (state: string) => world.must(["ip", "link", "set", tap, state]),
  ];
  for (const set of changes) {
    await set("down");
    await expect.poll(() => asked(publicPage)).toBe("");
    await set("up");
    await expect.poll(() => asked(publicPage)).toBe("I am web1\n");
    expect(await virtwall("diff")).toBe("the kernel holds what is desired\n");
  }
  expect(await world.must(["nft", "-s", "list", "table", "inet", "virtwall"])).toBe(rules);
});

test("a guest that stops takes its publication along, and brings it back", async () => {
  await hypervisor.libvirt.virsh("destroy", "web1");
  await expect
    .poll(() => hypervisor.virtwall("compile"))
    .not.toContain(`${uplink.address} . tcp . 8080 :`);
  await expect
    .poll(() => hypervisor.world.must(["nft", "list", "map", "inet", "virtwall", "publish4"]), {
      timeout: 10_000,
    })
    .not.toContain(`${uplink.address} . tcp . 8080`);
  expect(await asked(publicPage)).toBe("");

  await hypervisor.libvirt.startGuest({ name: "web1", mac: "52:54:00:00:00:01" });
  await hypervisor.libvirt.untilServing("web1");
  await expect.poll(() => asked(publicPage)).toBe("I am web1\n");
});

test("a network that is stopped and started again has its guests and their publications back", async () => {
  const before = await hypervisor.world.must(["nft", "list", "table", "bridge", "virtwall"]);
  await hypervisor.libvirt.virsh("net-destroy", "default");
  await expect.poll(() => asked(publicPage)).toBe("");
  await hypervisor.libvirt.virsh("net-start", "default");
  // libvirt itself puts the taps of running guests on the new bridge at its own next start only.
  await expect.poll(() => asked(publicPage)).toBe("I am web1\n");
  expect(await hypervisor.virtwall("events")).toContain("brought back: ");
  expect(await hypervisor.world.must(["nft", "list", "table", "bridge", "virtwall"])).toBe(before);
});
