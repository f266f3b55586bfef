import { expect, test } from "vitest";
import { address, device, guest, inventory, network, prefix } from "../compile/sample.fake.ts";
import type { HostLink, LinkManager } from "../ports/host-facts.ts";
import { type HostAsItIs, outsideOf, planFirewallVm } from "./plan-firewall-vm.ts";

const eth0: HostLink = {
  name: "eth0",
  isUp: true,
  addresses: [
    { address: address("203.0.113.1"), prefix: prefix("203.0.113.0/24"), isAutomatic: false },
    { address: address("2001:db8::1"), prefix: prefix("2001:db8::/64"), isAutomatic: false },
  ],
};
const common = { table: "main", metric: 0 } as const;
const host: HostAsItIs = {
  firewall: { guests: ["fw"], wan: device("br-wan"), macs: [] },
  inventory: inventory({ networks: [network("lan")], guests: [guest(1, "lan")] }),
  links: [eth0],
  routes: [
    { family: 4, devices: ["eth0"], via: "203.0.113.254", ...common },
    { family: 6, devices: ["eth0"], via: "fe80::1", ...common },
  ],
  autostart: { guests: ["fw", "web 1", "db%1"], networks: [] },
};

function planOf(kind: LinkManager["kind"] | undefined, changes: Partial<HostAsItIs> = {}) {
  const actual = { ...host, ...changes };
  return planFirewallVm(actual, outsideOf(actual), kind && { kind });
}

function fileOf(kind: LinkManager["kind"], path: string, changes: Partial<HostAsItIs> = {}) {
  return planOf(kind, changes).files.find((file) => file.path === path)?.text;
}

test("systemd-networkd gets the bridge, the nic as its port, and the host's addresses on a leg", () => {
  const folder = "/etc/systemd/network/10";
  expect(fileOf("systemd-networkd", `${folder}-br-wan.netdev`)).toBe(
    "[NetDev]\nName=br-wan\nKind=bridge\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\n",
  );
  expect(fileOf("systemd-networkd", `${folder}-br-wan.network`)).toBe(
    "[Match]\nName=br-wan\n\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\nConfigureWithoutCarrier=yes\n",
  );
  expect(fileOf("systemd-networkd", `${folder}-eth0.network`)).toBe(
    "[Match]\nName=eth0\n\n[Network]\nBridge=br-wan\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n",
  );
  expect(fileOf("systemd-networkd", `${folder}-wan-host.netdev`)).toBe(
    "[NetDev]\nName=wan-host\nKind=veth\n\n[Peer]\nName=wan-port\n",
  );
  expect(fileOf("systemd-networkd", `${folder}-wan-host.network`)).toBe(
    "[Match]\nName=wan-host\n\n[Network]\nIPv6AcceptRA=no\nAddress=203.0.113.1/24\nGateway=203.0.113.254\nAddress=2001:db8::1/64\nGateway=fe80::1\n",
  );
});

test("what comes by DHCP and router advertisements comes so afterwards", () => {
  const routes = host.routes.map((route) => {
    return { ...route, protocol: route.family === 4 ? "dhcp" : "ra" };
  });
  expect(fileOf("systemd-networkd", "/etc/systemd/network/10-wan-host.network", { routes })).toBe(
    "[Match]\nName=wan-host\n\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=yes\n",
  );
  expect(fileOf("ifupdown", "/etc/network/interfaces.d/br-wan", { routes })).toContain(
    "auto wan-host\niface wan-host inet dhcp\n\niface wan-host inet6 auto\n",
  );
});

test("ifupdown gets one file", () => {
  expect(fileOf("ifupdown", "/etc/network/interfaces.d/br-wan")).toBe(`auto br-wan
iface br-wan inet manual
    pre-up ip link add br-wan type bridge stp_state 0 forward_delay 0 || true
    pre-up ip link add wan-host type veth peer name wan-port || true
    pre-up ip addr flush dev eth0
    pre-up ip link set eth0 master br-wan up
    pre-up ip link set wan-port master br-wan up
    up ip link set br-wan up
    down ip link del wan-host
    down ip link del br-wan

auto wan-host
iface wan-host inet static
    address 203.0.113.1/24
    gateway 203.0.113.254

iface wan-host inet6 static
    address 2001:db8::1/64
    gateway fe80::1
`);
});

test("NetworkManager gets a profile a link", () => {
  const folder = "/etc/NetworkManager/system-connections";
  expect(fileOf("NetworkManager", `${folder}/eth0.nmconnection`)).toBe(
    "[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\nmaster=br-wan\nslave-type=bridge\n",
  );
  expect(fileOf("NetworkManager", `${folder}/wan-host.nmconnection`)).toContain(
    "[ipv4]\nmethod=manual\naddress1=203.0.113.1/24\ngateway=203.0.113.254\n",
  );
  expect(fileOf("NetworkManager", "/etc/NetworkManager/conf.d/60-firewall-vm.conf")).toBe(
    "[device-firewall-vm]\nmatch-device=interface-name:wan-host,interface-name:wan-port\nmanaged=1\n",
  );
});

test("where nobody known makes the links, it says what to type", () => {
  const { files, steps } = planOf(undefined);
  expect(files.map(({ path }) => path)).toEqual([
    "/etc/sysctl.d/60-firewall-vm.conf",
    "/etc/systemd/system/guests-behind-firewall.service",
  ]);
  expect(steps).toContain("ip addr flush dev eth0; ip link set eth0 master br-wan");
});

test("whoever would saw off his own branch is told, and the undo comes first", () => {
  const session = { client: address("198.51.100.7"), server: address("203.0.113.1") };
  const { warnings, steps } = planOf("ifupdown", { session });
  expect(warnings[0]).toMatch(
    /^you came from 198\.51\.100\.7 to 203\.0\.113\.1, which is on eth0\./,
  );
  expect(steps.slice(0, 2)).toEqual([
    "test ! -e /etc/network.before && cp -a /etc/network /etc/network.before",
    "systemd-run --unit=undo-firewall-vm --on-active=10min sh -c 'test -d /etc/network.before && mv /etc/network /etc/network.failed && mv /etc/network.before /etc/network; rm -f /etc/sysctl.d/60-firewall-vm.conf; systemctl reboot'",
  ]);
  const end = steps.findIndex((step) => step.endsWith("systemctl stop undo-firewall-vm.timer"));
  const lasting = steps.findIndex((step) => /^(virsh|virtwall|echo) /.test(step));
  expect(end).toBeGreaterThan(1);
  expect(end).toBeLessThan(lasting);
});

test("the settings are those of the bridge, also where its name has a dot", () => {
  const firewall = { guests: ["fw"], wan: device("br.10"), macs: [] };
  const text = fileOf("ifupdown", "/etc/sysctl.d/60-firewall-vm.conf", { firewall });
  expect(text).toContain("net.ipv6.conf.br/10.disable_ipv6 = 1\n");
});

test("links that are as they should be stay as they are", () => {
  const links = [{ ...eth0, name: "wan-host", kind: "veth", peer: "wan-port" }];
  const routes = host.routes.map((route) => ({ ...route, devices: ["wan-host"] }));
  const { warnings, steps } = planOf("ifupdown", { links, routes });
  expect(warnings).toEqual([expect.stringMatching(/^no guest 'fw' runs: /)]);
  expect(steps.join("\n")).not.toMatch(/undo|networking|eth0/);
});

test("an address on the bridge itself moves to a leg, and the nic that is its port is known", () => {
  const bridge = { ...eth0, name: "br-wan", kind: "bridge" };
  const ports = [
    { name: "vnet0", addresses: [], kind: "tun", master: "br-wan" },
    { name: "eno1", addresses: [], master: "br-wan" },
  ];
  const routes = host.routes.map((route) => ({ ...route, devices: ["br-wan"] }));
  const { files } = planOf("systemd-networkd", { links: [bridge, ...ports], routes });
  expect(files.map(({ path }) => path)).toContain("/etc/systemd/network/10-eno1.network");
});

test("others start after the firewall guest, whatever they are called", () => {
  const unit = fileOf("ifupdown", "/etc/systemd/system/guests-behind-firewall.service");
  expect(unit).toContain('ExecStart=-/usr/bin/virsh start -- "web 1"\n');
  expect(unit).toContain('ExecStart=-/usr/bin/virsh start -- "db%%1"\n');
  expect(unit).not.toContain('virsh start -- "fw"');
});

test("and after any of those that stand in for each other, of whom one that does not run is not seen", () => {
  const firewall = { guests: ["fw", "fw2"], wan: device("br-wan"), macs: [] };
  const { warnings } = planOf("ifupdown", { firewall });
  expect(warnings.filter((warning) => warning.startsWith("no guest 'fw2' runs: "))).toHaveLength(1);
  const unit = fileOf("ifupdown", "/etc/systemd/system/guests-behind-firewall.service", {
    firewall,
  });
  expect(unit).toContain(`done' sh "fw" "fw2"\n`);
});

test("a name that is a command of its own is one word, and none is cut or an option", () => {
  const long = "a".repeat(80);
  const guests = ["x'; reboot; '", "--all", long];
  const { steps } = planOf("ifupdown", { autostart: { guests, networks: [] } });
  expect(steps).toContain(String.raw`virsh autostart --disable 'x'\''; reboot; '\'''`);
  expect(steps).toContain("virsh autostart --disable -- --all");
  expect(steps).toContain(`virsh autostart --disable ${long}`);
});

test("libvirt is told of what is missing, and no more", () => {
  const steps = planOf("ifupdown").steps.join("\n");
  expect(steps).toContain("<interface type='bridge'><source bridge='br-wan'/>");
  expect(steps).toContain("<interface type='network'><source network='lan'/>");
  expect(steps).toContain("virsh net-edit lan: take <forward> out");
  expect(steps).not.toContain("virsh autostart fw");
  const [only] = guest(1, "lan").nics;
  const firewall = { ...guest(1, "lan"), name: "fw", nics: only === undefined ? [] : [only] };
  const running = inventory({ networks: [network("lan")], guests: [firewall] });
  expect(planOf("ifupdown", { inventory: running }).steps).toContain("virsh net-autostart lan");
  expect(steps).toContain("virsh autostart --disable 'web 1'");
});
