import type { Address, Family } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import { shellWord } from "../base/shell-word.ts";
import { bridgeOf } from "../model/firewall-vm.ts";
import type { Inventory } from "../model/inventory.ts";
import type { FirewallVm } from "../model/policy.ts";
import type { AutostartFacts, HostLink, HostRoute, LinkManager } from "../ports/host-facts.ts";
import { leg, linkFiles, type PlannedFile, type WanLinks } from "./plan-link-files.ts";

/** What a person does, in this order, to bring a host to the topology `firewall-vm`. */
export interface FirewallVmPlan {
  readonly warnings: readonly string[];
  readonly files: readonly PlannedFile[];
  readonly steps: readonly string[];
}

export interface HostAsItIs {
  readonly firewall: FirewallVm;
  readonly inventory: Inventory;
  readonly links: readonly HostLink[];
  readonly routes: readonly HostRoute[];
  readonly autostart: AutostartFacts;
  /** The connection by which the operator sits at the host. */
  readonly session?: { readonly client: Address; readonly server: Address };
}

/** The nic that leads outside, and the interface that bears the host's addresses now: the same, or the bridge of the WAN. */
export interface Outside {
  readonly nic: string;
  readonly holder: HostLink;
}

/** Undefined where the links are as they are to be, or where nothing tells which nic leads outside. */
export function outsideOf({ firewall, links, routes }: HostAsItIs): Outside | undefined {
  const devices = routes
    .filter(({ prefix, table }) => prefix === undefined && table === "main")
    .flatMap((route) => route.devices);
  const holder = links.find(({ name }) => devices.includes(name));
  if (holder === undefined || holder.name === leg.own) return undefined;
  if (holder.name !== firewall.wan) {
    return holder.kind === "bridge" ? undefined : { nic: holder.name, holder };
  }
  const nic = links.find(
    ({ master, kind, peer }) => master === firewall.wan && kind !== "tun" && peer === undefined,
  );
  return nic && { nic: nic.name, holder };
}

export function planFirewallVm(
  host: HostAsItIs,
  outside: Outside | undefined,
  manager: LinkManager | undefined,
): FirewallVmPlan {
  const { firewall, inventory, autostart } = host;
  const links = outside && wanLinks(host, outside);
  const others = autostart.guests.filter((name) => !firewall.guests.includes(name));
  const files = [
    ...(links && manager ? linkFiles(manager.kind, links) : []),
    settingsFile(firewall.wan),
    ...(others.length > 0 ? [guestsUnit(firewall.guests, others)] : []),
  ];
  return {
    warnings: [
      ...(outside === undefined ? [] : sessionWarning(host, outside)),
      ...(links === undefined ? [] : [macWarning]),
      ...firewall.guests.filter((guest) => !isRunning(guest, inventory)).map(unseenWarning),
    ],
    files,
    steps: [
      ...(links === undefined ? [] : undoSteps(manager)),
      `write the files: ${files.map(({ path }) => path).join(", ")}`,
      ...(links === undefined ? [] : linkSteps(links, manager)),
      "sysctl --system",
      ...(links === undefined ? [] : [backIn]),
      ...inventory.networks.flatMap((network) => networkSteps(network, firewall.wan)),
      ...firewall.guests.flatMap((guest) =>
        guestSteps({ ...firewall, guest }, inventory, autostart),
      ),
      ...others.map((name) => `virsh autostart --disable ${word(name)}`),
      ...(others.length > 0 ? [`systemctl enable ${unitName}`] : []),
      "in the policy: host: { topology: firewall-vm, input: [{ allow: tcp/22, from: [ADDRESSES] }] }",
      "virtwall apply --confirm 60, and from another terminal: virtwall confirm",
      "virtwall topology check",
    ],
  };
}

function wanLinks({ firewall, routes }: HostAsItIs, { nic, holder }: Outside): WanLinks {
  const defaults = routes.filter(
    ({ prefix, devices }) => prefix === undefined && devices.includes(holder.name),
  );
  const isAutomatic = ({ protocol }: HostRoute) => protocol === "dhcp" || protocol === "ra";
  return {
    nic,
    wan: firewall.wan,
    addresses: holder.addresses,
    gateways: new Map(
      defaults.flatMap(({ family, via }): [Family, string][] => (via ? [[family, via]] : [])),
    ),
    automatic: new Set(defaults.filter(isAutomatic).map(({ family }) => family)),
  };
}

function sessionWarning({ session }: HostAsItIs, { nic, holder }: Outside): string[] {
  const isBy = holder.addresses.some(({ address }) => address === session?.server);
  const what = `${nic} becomes a port of the bridge, and the host's addresses leave ${holder.name}: connections over it stand still until they are on ${leg.own}`;
  return [
    isBy
      ? `you came from ${session?.client} to ${session?.server}, which is on ${holder.name}. ${what}. Sit at the console, or begin with the undo below: it takes links and settings back after ten minutes, and starts the host anew`
      : what,
  ];
}

const isRunning = (guest: string, { guests }: Inventory) =>
  guests.some(({ name }) => name === guest);

const unseenWarning = (guest: string) =>
  `no guest ${quote(guest)} runs: what it has already cannot be seen, and the steps for it may be done`;

const macWarning = `${leg.own} sends under a MAC address of its own. Where the provider lets through only those that it knows, give it that one: ip link set ${leg.own} address MAC, after the nic has another`;

const undoUnit = "undo-firewall-vm";
const settingsPath = "/etc/sysctl.d/60-firewall-vm.conf";

/** Before anything is changed that the undo does not take back. */
const backIn = `connect to the host anew, and only if you get in: systemctl stop ${undoUnit}.timer`;

const folders: Readonly<Record<LinkManager["kind"], string>> = {
  "systemd-networkd": "/etc/systemd/network",
  NetworkManager: "/etc/NetworkManager",
  ifupdown: "/etc/network",
};

/** A start of the host with the files of before: the way that is sure for everybody who manages links. */
function undoSteps(manager: LinkManager | undefined): string[] {
  if (manager === undefined) {
    return [`systemd-run --unit=${undoUnit} --on-active=10min systemctl reboot`];
  }
  const folder = folders[manager.kind];
  const before = `${folder}.before`;
  // What is not there, or cannot be put back, is not taken away first.
  const undo = `test -d ${before} && mv ${folder} ${folder}.failed && mv ${before} ${folder}; rm -f ${settingsPath}; systemctl reboot`;
  return [
    `test ! -e ${before} && cp -a ${folder} ${before}`,
    `systemd-run --unit=${undoUnit} --on-active=10min sh -c '${undo}'`,
  ];
}

function linkSteps(links: WanLinks, manager: LinkManager | undefined): string[] {
  const { nic, wan } = links;
  const where = manager?.file === undefined ? "" : ` out of ${manager.file}`;
  switch (manager?.kind) {
    case "systemd-networkd":
      return [`take ${nic}${where}, if that is another file than the new one`, "networkctl reload"];
    case "NetworkManager":
      return [
        `nmcli connection modify PROFILE connection.autoconnect no, for the profile that ${nic} has now`,
        "chmod 600 /etc/NetworkManager/system-connections/*.nmconnection; nmcli general reload; nmcli connection reload",
        ...[wan, nic, leg.own, leg.port].map((name) => `nmcli connection up ${name}`),
      ];
    case "ifupdown":
      return [
        `take the stanzas of ${nic}${where}; leave: iface ${nic} inet manual`,
        "systemctl restart networking",
      ];
    default:
      return bareLinks(links);
  }
}

/** Nobody that is known here makes the links: what to type, and whoever makes them at the start has to be told. */
function bareLinks({ nic, wan, addresses, gateways }: WanLinks): string[] {
  return [
    `ip link add ${wan} type bridge stp_state 0 forward_delay 0`,
    `ip link add ${leg.own} type veth peer name ${leg.port}`,
    `ip link set ${leg.port} master ${wan} up; ip link set ${leg.own} up; ip link set ${wan} up`,
    `ip addr flush dev ${nic}; ip link set ${nic} master ${wan}`,
    ...addresses.map(
      ({ address, prefix }) => `ip addr add ${address}/${prefix.length} dev ${leg.own}`,
    ),
    ...[...gateways].map(
      ([family, via]) => `ip -${family} route replace default via ${via} dev ${leg.own}`,
    ),
    "say the same to whatever makes the links of this host when it starts",
  ];
}

/** sysctl.d(5) takes a slash for the dot of an interface's name. */
function settingsFile(bridge: string): PlannedFile {
  const wan = bridge.replaceAll(".", "/");
  const lines = [
    "net.ipv4.ip_forward = 0",
    "net.ipv6.conf.all.forwarding = 0",
    `net.ipv6.conf.${wan}.disable_ipv6 = 1`,
    `net.ipv6.conf.${wan}.accept_ra = 0`,
    `net.ipv4.conf.${wan}.arp_ignore = 1`,
    // They are there only with br_netfilter.
    ...["iptables", "ip6tables", "arptables"].map(
      (name) => `-net.bridge.bridge-nf-call-${name} = 0`,
    ),
  ];
  return { path: settingsPath, text: `${lines.join("\n")}\n` };
}

const unitName = "guests-behind-firewall.service";

/** What libvirt cannot: others start once a firewall guest runs. Names are words of systemd's own (systemd.service(5)). */
function guestsUnit(firewalls: readonly string[], others: readonly string[]): PlannedFile {
  const lines = [
    "[Unit]",
    `Description=Guests behind the firewall guest`,
    "Wants=network-online.target",
    "After=network-online.target libvirtd.service virtqemud.service virtnetworkd.service",
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    "TimeoutStartSec=10min",
    `ExecStart=/bin/sh -c 'while :; do for guest; do virsh domstate -- "$$guest" | grep -qx running && exit; done; sleep 1; done' sh ${firewalls.map(unitWord).join(" ")}`,
    ...others.map((name) => `ExecStart=-/usr/bin/virsh start -- ${unitWord(name)}`),
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ];
  return { path: `/etc/systemd/system/${unitName}`, text: `${lines.join("\n")}\n` };
}

function unitWord(name: string): string {
  const plain = name.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return `"${plain.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

function networkSteps({ name, forward, bridge }: Inventory["networks"][number], wan: string) {
  if (bridge === wan || !/^(nat|route|open)$/.test(forward)) return [];
  const own = word(name);
  return [
    `virsh net-edit ${own}: take <forward> out, and name the firewall guest as the way out: <dnsmasq:options xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'><dnsmasq:option value='dhcp-option=option:router,INNER-ADDRESS'/></dnsmasq:options>`,
    `virsh net-destroy ${own}; virsh net-start ${own}, and start its guests anew`,
  ];
}

function guestSteps(
  { guest, wan }: HostAsItIs["firewall"] & { readonly guest: string },
  inventory: Inventory,
  autostart: AutostartFacts,
): string[] {
  const nics = inventory.guests.find(({ name }) => name === guest)?.nics ?? [];
  const bridges = nics.map((nic) => bridgeOf(nic, inventory));
  // Without its network it does not start.
  const networks = new Set(nics.flatMap(({ network }) => network ?? []));
  const inner = inventory.networks.find(({ bridge }) => bridge !== undefined && bridge !== wan);
  const source = inner === undefined ? "<source bridge='BRIDGE'/>" : innerSource(inner.name);
  const own = word(guest);
  const attach = (xml: string) =>
    `echo "${xml}" | virsh attach-device --file /dev/stdin --config --live ${own}`;
  const type = inner === undefined ? "bridge" : "network";
  return [
    ...(bridges.includes(wan)
      ? []
      : [
          attach(
            `<interface type='bridge'><source bridge='${wan}'/><model type='virtio'/></interface>`,
          ),
        ]),
    ...(bridges.some((bridge) => bridge !== undefined && bridge !== wan)
      ? []
      : [attach(`<interface type='${type}'>${source}<model type='virtio'/></interface>`)]),
    ...(autostart.guests.includes(guest) ? [] : [`virsh autostart ${own}`]),
    ...[...networks]
      .filter((name) => !autostart.networks.includes(name))
      .map((name) => `virsh net-autostart ${word(name)}`),
  ];
}

/** XML in a shell's double quotes: a name of others goes in only where it is plain. */
function innerSource(name: string): string {
  return `<source network='${/^[\w.-]+$/.test(name) ? name : "NETWORK"}'/>`;
}

/** A name of others, as virsh takes it for none of its options. */
function word(name: string): string {
  return name.startsWith("-") ? `-- ${shellWord(name)}` : shellWord(name);
}
