import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseInventory } from "./inventory.ts";
import type { LibvirtTexts } from "../model/source-text.ts";

const uuid = (digit: number) => `${digit}`.repeat(8) + "-1111-4111-8111-111111111111";

function guestXml(name: string, nics: string, id = 1): string {
  return `<domain type='kvm'><name>${name}</name><uuid>${uuid(id)}</uuid><devices>${nics}</devices></domain>`;
}

function nicXml(mac: string, tap: string, bridge = "virbr0"): string {
  return `<interface type='network'><mac address='${mac}'/><source network='default' bridge='${bridge}'/><target dev='${tap}'/></interface>`;
}

const mac = (last: number) => `52:54:00:00:00:0${last}`;

function guests(...texts: string[]) {
  return parseInventory(
    {
      networks: [],
      guests: texts.map((text, index) => ({ file: `${index}.xml`, text })),
      leases: [],
    },
    [],
  );
}

function networks(...texts: string[]) {
  return parseInventory(
    {
      networks: texts.map((text, index) => ({ file: `${index}.xml`, text })),
      guests: [],
      leases: [],
    },
    [],
  );
}

function leases(text: string, file = "leases/virbr0.status") {
  return parseInventory({ networks: [], guests: [], leases: [{ file, text }] }, []);
}

function fixture(name: string): LibvirtTexts {
  const root = join(import.meta.dirname, "../../test/fixtures", name);
  const read = (folder: string) =>
    readdirSync(join(root, folder))
      .sort()
      .map((file) => ({
        file: `${folder}/${file}`,
        text: readFileSync(join(root, folder, file), "utf8"),
      }));
  return { networks: read("networks"), guests: read("domains"), leases: read("leases") };
}

describe.each(["libvirt-9", "libvirt-11"])("what %s says", (version) => {
  const { inventory, problems } = parseInventory(fixture(version), []);

  test("makes no problems", () => {
    expect(problems).toEqual([]);
  });

  test("names every network's bridge and kind", () => {
    expect(inventory.networks.map(({ name, bridge, forward }) => [name, bridge, forward])).toEqual([
      ["bridged", "br0", "bridge"],
      ["default", "virbr0", "nat"],
      ["isolated", "virbr2", "isolated"],
      ["macvtap", undefined, "bridge"],
      ["natpool", "virbr4", "nat"],
      ["open", "virbr3", "open"],
      ["routed", "virbr1", "route"],
    ]);
  });

  test("tells subnets, reservations and translation", () => {
    const networkOf = (name: string) => inventory.networks.find((network) => network.name === name);
    expect(networkOf("default")).toMatchObject({
      subnets: [
        { prefix: { family: 4, address: "192.168.122.0", length: 24 }, gateway: "192.168.122.1" },
        { prefix: { family: 6, address: "fd00:122::", length: 64 }, gateway: "fd00:122::1" },
      ],
      nat6: true,
      natPorts: { first: 1024, last: 65535 },
      reservations: [{ mac: "52:54:00:aa:00:01", name: "web1", address: "192.168.122.10" }],
    });
    expect(networkOf("natpool")).toMatchObject({
      nat6: false,
      natAddresses: { first: "203.0.113.20", last: "203.0.113.22" },
      natPorts: { first: 2000, last: 3000 },
    });
    expect(networkOf("routed")?.subnets[0]?.prefix).toEqual({
      family: 4,
      address: "10.20.0.0",
      length: 24,
    });
  });

  test("names every nic's tap, network and bridge", () => {
    const nics = inventory.guests.flatMap((guest) =>
      guest.nics.map(({ mac: address, tap, network, bridge }) => [
        guest.name,
        address,
        tap,
        network,
        bridge,
      ]),
    );
    const mixed = 'mixed nics "quoted" & ünïcode';
    expect(nics).toEqual([
      ["direct1", "52:54:00:cc:00:01", undefined, "macvtap", undefined],
      [mixed, "52:54:00:bb:00:01", "vnet3", undefined, "br0"],
      [mixed, "52:54:00:bb:00:02", undefined, undefined, undefined],
      [mixed, "52:54:00:bb:00:03", "tap-eth", undefined, undefined],
      [mixed, "52:54:00:bb:00:04", "my.tap+1", "isolated", "virbr2"],
      ["web1", "52:54:00:aa:00:01", "vnet0", "default", "virbr0"],
      ["web1", "52:54:00:aa:00:02", "vnet1", "routed", "virbr1"],
      ["web1", "52:54:00:aa:00:03", "vnet2", "bridged", "br0"],
    ]);
    expect(inventory.guests.map(({ name }) => name)).toContain("nonic");
  });

  test("tells where macvtap stands, and in which networks libvirt serves DHCP", () => {
    const nics = inventory.guests.flatMap((guest) => guest.nics);
    expect(nics.flatMap(({ lower }) => lower ?? [])).toEqual([{ device: "eth0", mode: "bridge" }]);
    const served = inventory.networks.filter(({ hasDhcp }) => hasDhcp).map(({ name }) => name);
    expect(served).toEqual(["default", "isolated"]);
  });

  test("tells leases of both families", () => {
    expect(inventory.leases).toHaveLength(3);
    expect(inventory.leases[0]).toMatchObject({
      mac: "52:54:00:aa:00:09",
      address: "192.168.122.8",
      bridge: "virbr0",
    });
    expect(inventory.leases[2]?.mac).toBe("52:54:00:aa:00:01");
    expect(inventory.leases[2]?.address).toMatch(/^fd00:122::/);
  });
});

describe.each(["libvirt-9", "libvirt-11"])("the test driver of %s", (version) => {
  const root = join(import.meta.dirname, "../../test/fixtures", version, "test-driver");
  const read = (file: string) => [{ file, text: readFileSync(join(root, file), "utf8") }];

  test("makes no problems", () => {
    const texts = { networks: read("network.xml"), guests: read("domain.xml"), leases: [] };
    const { inventory, problems } = parseInventory(texts, []);
    expect(problems).toEqual([]);
    expect(inventory.networks[0]?.name).toBe("default");
    expect(inventory.guests[0]?.name).toBe("test");
  });
});

describe("networks", () => {
  test("with a blank before its name is another network", () => {
    const { inventory } = networks("<network><name> n</name></network>");
    expect(inventory.networks[0]?.name).toBe(" n");
  });

  test.each([
    ["<forward/>", "nat"],
    ["", "isolated"],
    ["<forward mode='none'/>", "isolated"],
    ["<forward mode='passthrough'/>", "other"],
    ["<forward mode='hostdev'/>", "other"],
  ])("with %s is %s", (forward, expected) => {
    const { inventory } = networks(`<network><name>n</name>${forward}</network>`);
    expect(inventory.networks[0]?.forward).toBe(expected);
  });

  test.each([
    ["address='10.1.2.3'", "10.0.0.0", 8],
    ["address='172.16.5.1'", "172.16.0.0", 16],
    ["address='192.168.5.1'", "192.168.5.0", 24],
    ["address='10.1.2.3' netmask='255.255.255.248'", "10.1.2.0", 29],
    ["family='ipv6' address='2001:DB8:0::1'", "2001:db8::", 64],
    ["family='ipv6' address='2001:db8::1' prefix='48'", "2001:db8::", 48],
  ])("with <ip %s> has the subnet %s/%i", (ip, address, length) => {
    const { inventory, problems } = networks(`<network><name>n</name><ip ${ip}/></network>`);
    expect(problems).toEqual([]);
    expect(inventory.networks[0]?.subnets[0]?.prefix).toMatchObject({ address, length });
  });

  test.each([
    ["<ip address='999.1.1.1'/>", "BAD_SUBNET"],
    ["<ip/>", "BAD_SUBNET"],
    ["<ip address='10.0.0.1' netmask='255.0.255.0'/>", "BAD_SUBNET"],
    ["<ip address='10.0.0.1' prefix='33'/>", "BAD_SUBNET"],
    ["<ip address='10.0.0.1' prefix='-1'/>", "BAD_SUBNET"],
    ["<forward><nat><address start='10.0.0.9' end='10.0.0.1'/></nat></forward>", "BAD_NAT"],
    ["<forward><nat><port start='9' end='1'/></nat></forward>", "BAD_NAT"],
    ["<forward><nat><port/></nat></forward>", "BAD_NAT"],
  ])("with %s lose that part, told at its place", (part, code) => {
    const { inventory, problems } = networks(`<network><name>n</name>\n${part}</network>`);
    expect(inventory.networks).toHaveLength(1);
    expect(problems).toMatchObject([{ code, severity: "error", at: { file: "0.xml", line: 2 } }]);
  });

  test.each([
    ["<network><name>n</name><bridge name='a\"b'/></network>", "BAD_INTERFACE_NAME"],
    ["<network><bridge name='b'/></network>", "BAD_NETWORK_NAME"],
    ["<domain/>", "BAD_NETWORK_XML"],
    ["", "BAD_NETWORK_XML"],
  ])("%s is left out", (text, code) => {
    const { inventory, problems } = networks(text, "<network><name>ok</name></network>");
    expect(inventory.networks.map(({ name }) => name)).toEqual(["ok"]);
    expect(problems).toMatchObject([{ code, severity: "error", at: { file: "0.xml" } }]);
  });

  test("of one name or one bridge keep the first", () => {
    const { inventory, problems } = networks(
      "<network><name>a</name><bridge name='b0'/></network>",
      "<network><name>a</name><bridge name='b1'/></network>",
      "<network><name>c</name><bridge name='b0'/></network>",
    );
    expect(inventory.networks.map(({ name }) => name)).toEqual(["a"]);
    expect(problems.map(({ code, at }) => [code, at.file])).toEqual([
      ["DUPLICATE_NETWORK", "1.xml"],
      ["DUPLICATE_NETWORK", "2.xml"],
    ]);
  });

  test("may share a bridge of the host's", () => {
    const xml = (name: string) =>
      `<network><name>${name}</name><forward mode='bridge'/><bridge name='br0'/></network>`;
    expect(networks(xml("a"), xml("b")).problems).toEqual([]);
  });
});

describe("guests", () => {
  test.each([
    ["another guest's name", guestXml("a", "", 2), "DUPLICATE_GUEST"],
    ["another guest's UUID", guestXml("b", "", 1), "DUPLICATE_GUEST"],
    ["no name", "<domain><uuid/></domain>", "BAD_GUEST_NAME"],
    ["an empty name", guestXml("", "", 2), "BAD_GUEST_NAME"],
    ["a slash in its name", guestXml("../../etc", "", 2), "BAD_GUEST_NAME"],
    ["a line break in its name", guestXml("a&#10;b", "", 2), "BAD_GUEST_NAME"],
    ["a long name", guestXml("x".repeat(300), "", 2), "BAD_GUEST_NAME"],
    ["a bad UUID", guestXml("b", "").replace(uuid(1), "1; drop"), "BAD_GUEST_UUID"],
    ["another root", "<network><name>b</name></network>", "BAD_GUEST_XML"],
    ["no XML", "not xml", "BAD_GUEST_XML"],
    ["cut off XML", guestXml("b", "").slice(0, 50), "BAD_GUEST_XML"],
  ])("one with %s is left out and takes nobody along", (_, text, code) => {
    const { inventory, problems } = guests(guestXml("a", ""), text, guestXml("c", "", 3));
    expect(inventory.guests.map(({ name }) => name)).toEqual(["a", "c"]);
    expect(problems).toMatchObject([{ code, severity: "error", at: { file: "1.xml" } }]);
  });

  test.each([
    ["a tap outside the alphabet", nicXml(mac(2), "a&quot; accept; #"), "BAD_INTERFACE_NAME"],
    ["a wildcard tap", nicXml(mac(2), "vnet*"), "BAD_INTERFACE_NAME"],
    ["a long tap", nicXml(mac(2), "x".repeat(16)), "BAD_INTERFACE_NAME"],
    ["an empty tap", nicXml(mac(2), ""), "BAD_INTERFACE_NAME"],
    ["a bridge outside the alphabet", nicXml(mac(2), "vnet2", "a b"), "BAD_INTERFACE_NAME"],
    ["no MAC", "<interface type='network'/>", "BAD_MAC"],
    ["a bad MAC", nicXml("52:54:00", "vnet2"), "BAD_MAC"],
    ["the first one's MAC", nicXml(mac(1), "vnet2"), "DUPLICATE_MAC"],
    ["the first one's MAC in capitals", nicXml(mac(1).toUpperCase(), "vnet2"), "DUPLICATE_MAC"],
    ["the first one's tap", nicXml(mac(2), "vnet1"), "DUPLICATE_TAP"],
  ])("a nic with %s is left out alone", (_, nic, code) => {
    const text = guestXml("a", `${nicXml(mac(1), "vnet1")}\n${nic}${nicXml(mac(3), "vnet3")}`);
    const { inventory, problems } = guests(text);
    expect(inventory.guests[0]?.nics.map(({ tap }) => tap)).toEqual(["vnet1", "vnet3"]);
    expect(problems).toMatchObject([{ code, severity: "error", at: { file: "0.xml", line: 2 } }]);
  });

  test("with a blank at the end of a name is another guest", () => {
    const { inventory, problems } = guests(guestXml("web1 ", ""), guestXml("web1", "", 2));
    expect(inventory.guests.map(({ name }) => name)).toEqual(["web1 ", "web1"]);
    expect(problems).toEqual([]);
  });

  test("of two guests with one tap the first keeps it", () => {
    const { inventory, problems } = guests(
      guestXml("a", nicXml(mac(1), "vnet1")),
      guestXml("b", nicXml(mac(2), "vnet1"), 2),
    );
    expect(inventory.guests.map(({ nics }) => nics.length)).toEqual([1, 0]);
    expect(problems).toMatchObject([{ code: "DUPLICATE_TAP", at: { file: "1.xml" } }]);
  });

  test("of two guests with one MAC on a bridge the one that was started first keeps it, in whatever order", () => {
    const started = (name: string, tap: string, id: number) =>
      guestXml(name, nicXml(mac(1), tap), id).replace("'kvm'", `'kvm' id='${8 + id}'`);
    const both = [started("clone", "vnet2", 2), started("old", "vnet1", 1)];
    for (const texts of [both, both.toReversed()]) {
      const { inventory, problems } = guests(...texts);
      const taps = inventory.guests.flatMap(({ nics }) => nics.map(({ tap }) => tap));
      expect(taps).toEqual(["vnet1"]);
      expect(problems).toMatchObject([{ code: "DUPLICATE_MAC" }]);
      expect(problems[0]?.message).toContain("guest 'clone'");
    }
  });

  test("on two bridges may have one MAC", () => {
    const { problems } = guests(
      guestXml("a", nicXml(mac(1), "vnet1", "virbr0")),
      guestXml("b", nicXml(mac(1), "vnet2", "virbr1"), 2),
    );
    expect(problems).toEqual([]);
  });

  test("have no tap where the type has none", () => {
    const { inventory } = guests(
      guestXml("a", nicXml(mac(1), "macvtap0").replace("'network'", "'direct'")),
    );
    expect(inventory.guests[0]?.nics[0]).not.toHaveProperty("tap");
  });
});

describe("hostile XML", () => {
  const entities = Array.from(
    { length: 10 },
    (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`,
  ).join("");
  test.each([
    ["an entity bomb", `<!DOCTYPE d [<!ENTITY e0 "lol">${entities}]><domain>&e10;</domain>`],
    ["an external entity", '<!DOCTYPE d SYSTEM "file:///etc/shadow"><domain/>'],
    ["an entity that nobody defined", "<domain><name>&bomb;</name></domain>"],
    ["a name of ten megabytes", guestXml("x".repeat(10 * 1024 * 1024), "")],
    ["a name of four megabytes", guestXml("x".repeat(4 * 1024 * 1024 - 1000), "")],
    ["deep nesting", "<a>".repeat(500_000)],
    ["deep nesting that closes", "<a>".repeat(200_000) + "</a>".repeat(200_000)],
    ["a NUL", guestXml("a\0b", "")],
    ["a NUL as a reference", guestXml("a&#0;b", "")],
    ["a control character", guestXml("a\x1bb", "")],
    ["a lone surrogate", guestXml("a\ud800b", "")],
    ["an unfinished comment", "<domain><!--"],
    ["an unfinished CDATA section", "<domain><![CDATA["],
    ["an unfinished tag", "<domain " + "a".repeat(1_000_000)],
    ["an unfinished attribute", '<domain a="' + ">".repeat(1_000_000)],
    ["many angle brackets", "<".repeat(1_000_000)],
    ["many ampersands", `<domain>${"&".repeat(1_000_000)}</domain>`],
    ["many attributes twice", `<domain ${"a='1' ".repeat(100_000)}/>`],
    ["UTF-16 read as UTF-8", Buffer.from("<domain/>", "utf16le").toString("utf8")],
  ])(
    "%s is a problem within seconds",
    (_, text) => {
      const { inventory, problems } = guests(text);
      expect(inventory.guests).toEqual([]);
      expect(problems).toHaveLength(1);
      expect(problems[0]?.message.length).toBeLessThan(500);
    },
    5000,
  );

  test.each([
    ["quotes and angle brackets in a name", "a&quot;b&apos;c&lt;d&gt;", `a"b'c<d>`],
    ["a name in CDATA", "<![CDATA[a;b]]>", "a;b"],
    ["replaced bytes", Buffer.from([0x61, 0xff, 0x62]).toString("utf8"), "a\ufffdb"],
    ["letters of all planes", "ünï 漢字 🎉", "ünï 漢字 🎉"],
    ["a bidirectional override", "a\u202eb", "a\u202eb"],
  ])("%s are kept as they are", (_, name, expected) => {
    const { inventory, problems } = guests(guestXml(name, nicXml(mac(1), "vnet1")));
    expect(problems).toEqual([]);
    expect(inventory.guests[0]?.name).toBe(expected);
  });

  test("places are right after characters of two units and carriage returns", () => {
    const text = `\ufeff<domain>\r\n<name>🎉🎉</name><devices><interface type='user'/></devices></domain>`;
    const { problems } = guests(text);
    expect(problems).toMatchObject([{ code: "BAD_MAC", at: { line: 2, column: 27 } }]);
  });

  test("comments and CDATA sections do not count as nesting", () => {
    const comment = `<!-- ${"<a>".repeat(1000)} --><![CDATA[${"<a>".repeat(1000)}]]>`;
    expect(
      guests(guestXml("a", "", 1).replace("<devices>", `${comment}<devices>`)).problems,
    ).toEqual([]);
  });

  test("a thousand bad nics of one guest are a hundred problems and a count", () => {
    const { problems } = guests(guestXml("a", "<interface type='network'/>".repeat(1000)));
    expect(problems).toHaveLength(101);
  });
});

describe("leases", () => {
  test.each(["", " \n", "[\n]\n"])("%j are none", (text) => {
    expect(leases(text)).toMatchObject({ inventory: { leases: [] }, problems: [] });
  });

  test("that never expire expire at 0", () => {
    const text = JSON.stringify([{ "ip-address": "10.0.0.2", "mac-address": mac(1) }]);
    expect(leases(text).inventory.leases).toEqual([
      { mac: mac(1), address: "10.0.0.2", bridge: "virbr0", expires: 0 },
    ]);
  });

  test("have ended by the time at which they were read, and those with 0 never", () => {
    const entry = (last: number, expiry: number) => ({
      "ip-address": `10.0.0.${last}`,
      "mac-address": mac(last),
      "expiry-time": expiry,
    });
    const text = JSON.stringify([entry(1, 1000), entry(2, 1001), entry(3, 0)]);
    const file = "leases/virbr0.status";
    const texts = { networks: [], guests: [], leases: [{ file, text }] };
    const endedAt = (time: { readAt?: number }) =>
      parseInventory({ ...texts, ...time }, []).inventory.leases.map(
        ({ hasEnded = false }) => hasEnded,
      );
    expect(endedAt({ readAt: 1000 })).toEqual([true, false, false]);
    expect(endedAt({})).toEqual([false, false, false]);
  });

  test("of one address are the last one", () => {
    const entry = (last: number) => ({ "ip-address": "10.0.0.2", "mac-address": mac(last) });
    const { inventory } = leases(JSON.stringify([entry(1), entry(2)]));
    expect(inventory.leases).toMatchObject([{ mac: mac(2) }]);
  });

  test("without a MAC are passed over, since nobody's nic is known by them", () => {
    const { inventory, problems } = leases(
      JSON.stringify([{ "ip-address": "fd00::1", iaid: "1" }]),
    );
    expect(inventory.leases).toEqual([]);
    expect(problems).toEqual([]);
  });

  test("hold no host name, which is the guest's own word", () => {
    const entry = { "ip-address": "10.0.0.2", "mac-address": mac(1), hostname: "web9" };
    expect(leases(JSON.stringify([entry])).inventory.leases[0]).not.toHaveProperty("hostname");
  });

  test.each([
    ["[", "BAD_LEASE_FILE"],
    ["{}", "BAD_LEASE_FILE"],
    ["null", "BAD_LEASE_FILE"],
    ["[".repeat(1_000_000), "BAD_LEASE_FILE"],
    ["[1, null, [], {}]", "BAD_LEASE"],
    [JSON.stringify([{ "ip-address": "10.0.0.999", "mac-address": mac(1) }]), "BAD_LEASE"],
    [JSON.stringify([{ "ip-address": "10.0.0.1", "mac-address": "x" }]), "BAD_LEASE"],
    [JSON.stringify([{ "ip-address": 5, "mac-address": mac(1) }]), "BAD_LEASE"],
  ])("%.40s are left out with a warning", (text, code) => {
    const { inventory, problems } = leases(text);
    expect(inventory.leases).toEqual([]);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatchObject({ code, severity: "warning" });
  });

  test("of a file that cannot be read are not those of an empty one", () => {
    const file = { file: "leases/virbr0.status", text: "", unread: "not a regular file" };
    const { problems } = parseInventory({ networks: [], guests: [], leases: [file] }, []);
    expect(problems).toMatchObject([{ code: "BAD_LEASE_FILE" }]);
  });

  test("of a file that is named for no bridge are left out", () => {
    expect(leases("[]", "leases/a b.status").problems).toMatchObject([{ code: "BAD_LEASE_FILE" }]);
  });
});

test("ports that libvirt sets up in a way of its own are known as such", () => {
  const nic = (more: string, source = "") =>
    `<interface type='network'><mac address='${mac(1)}'/><source network='n' bridge='virbr0'${source}/><target dev='vnet0'/>${more}</interface>`;
  const isSpecial = (nicText: string) =>
    guests(guestXml("a", nicText)).inventory.guests[0]?.nics[0]?.hasPortSettings;
  expect(isSpecial(nic("<port isolated='yes'/>"))).toBe(true);
  expect(isSpecial(nic("<vlan><tag id='42'/></vlan>"))).toBe(true);
  expect(isSpecial(nic("<virtualport type='openvswitch'/>"))).toBe(true);
  expect(isSpecial(nic("", " macTableManager='libvirt'"))).toBe(true);
  expect(isSpecial(nic("<port isolated='no'/>", " macTableManager='kernel'"))).toBe(undefined);
});
