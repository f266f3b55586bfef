import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { guestImage, type GuestImage } from "./guest-image.ts";
import { fetchPage } from "./fetch-page.ts";
import { LabError } from "./run-program.ts";
import type { World } from "./world.ts";

/** A real libvirtd in a world. */
export interface Libvirt {
  virsh(...words: readonly string[]): Promise<string>;
  /** Defines and starts a network from its XML. */
  startNetwork(xml: string): Promise<void>;
  /** Starts a real guest; {@link untilServing} waits until it answers. */
  startGuest(guest: GuestWish): Promise<void>;
  /** Resolves with the guest's address once a lease names it, and its page can be fetched from the hypervisor. */
  untilServing(guest: string): Promise<string>;
  /** What libvirtd does on `systemctl reload libvirtd`. */
  reload(): Promise<void>;
  /** Ends and starts libvirtd; guests go on running. */
  restart(): Promise<void>;
  /** Kills libvirtd, and starts it again; guests go on running. */
  crash(): Promise<void>;
}

export interface GuestWish {
  readonly name: string;
  readonly mac: string;
  /** Default `default`. */
  readonly network?: string;
  /** More elements for `<interface>`, such as a `<filterref>`. */
  readonly interfaceXml?: string;
  /** More elements for `<domain>`, such as `<metadata>`. */
  readonly domainXml?: string;
  /** The bridge of the nic, in place of a network. */
  readonly bridge?: string;
  /** An address and its prefix length, such as `192.168.124.10/24`, in place of what DHCP would give. */
  readonly address?: `${string}/${number}`;
  /** By whom it goes to the world, where its address is given: by default the first of that network. */
  readonly gateway?: string;
  /** A script that sets up the nics in place of all else; it has nft. */
  readonly firewall?: string;
  /** Runs QEMU's guest agent on libvirt's channel for it. */
  readonly hasAgent?: boolean;
  /** Sends frames without end from the moment it has a nic. */
  readonly floods?: boolean;
  /** Not run, only made: enough for XML, taps and leases of others. */
  readonly paused?: boolean;
}

const neededPrograms = {
  libvirtd: "libvirt-daemon",
  virtlogd: "libvirt-daemon",
  virsh: "libvirt-clients",
  dnsmasq: "dnsmasq-base",
  iptables: "iptables",
  "qemu-system-x86_64": "qemu-system-x86",
} as const;

/** The network that Debian's libvirt brings along, as its package has it. */
const defaultNetworkFile = "/usr/share/libvirt/networks/default.xml";

export const qemuSettings = `
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
`;

export interface LibvirtOptions {
  /** Makes it a host of its own for others on this machine, which all have the machine's name and UUID. */
  readonly host?: { readonly name: string; readonly uuid: string };
}

/** Starts virtlogd and libvirtd in the world, and the `default` network. */
export async function startLibvirt(world: World, options: LibvirtOptions = {}): Promise<Libvirt> {
  for (const [program, debianPackage] of Object.entries(neededPrograms)) {
    const found = await world.run(["sh", "-c", 'command -v "$1"', "sh", program]);
    if (found.status !== 0) {
      throw new LabError(`${program} is missing: apt install ${debianPackage}`);
    }
  }
  const settings = world.pathOf("/etc/libvirt/qemu.conf");
  await writeFile(settings, (await readFile(settings, "utf8")) + qemuSettings);
  const image = guestImage(world.folder);
  // Handled where a guest is started; until then a failure must not end the process.
  image.catch(() => undefined);
  let agentImage: Promise<GuestImage> | undefined;
  const imageOf = ({ hasAgent = false, firewall }: GuestWish): Promise<GuestImage> => {
    if (firewall !== undefined) return guestImage(world.folder, { firewall });
    return hasAgent ? (agentImage ??= guestImage(world.folder, { hasAgent })) : image;
  };

  const virsh = (...words: readonly string[]) => world.must(["virsh", "--quiet", ...words]);
  if (options.host !== undefined) {
    const file = world.pathOf("/etc/libvirt/libvirtd.conf");
    await writeFile(file, `${await readFile(file, "utf8")}\nhost_uuid = "${options.host.uuid}"\n`);
  }
  const daemon = daemonProgram(options);
  await world.must(["virtlogd", "-d"]);
  await startLibvirtd(world, daemon);
  const libvirt = makeLibvirt({ world, daemon, virsh, imageOf });
  // The layer over /etc starts from whatever the machine has under this name; the lab's own is Debian's.
  await virsh("net-destroy", "default").catch(() => undefined);
  await virsh("net-undefine", "default").catch(() => undefined);
  await virsh("net-define", defaultNetworkFile);
  await virsh("net-start", "default");
  return libvirt;
}

/** A host name of its own takes a UTS namespace of its own. */
function daemonProgram({ host }: LibvirtOptions): readonly string[] | undefined {
  if (host === undefined) return undefined;
  const named = 'hostname "$1" && exec libvirtd -d';
  return ["unshare", "--uts", "sh", "-c", named, "libvirtd", host.name];
}

/** Starts libvirtd alone, and waits until it answers. */
export async function startLibvirtd(
  world: World,
  daemon: readonly string[] = ["libvirtd", "-d"],
): Promise<void> {
  await world.must(daemon);
  const deadline = Date.now() + 30_000;
  for (;;) {
    const answer = await world.run(["virsh", "version"]);
    if (answer.status === 0) return;
    if (Date.now() > deadline) {
      throw new LabError(`libvirtd does not answer after 30 s: ${answer.stderr}`);
    }
    await pause(50);
  }
}

/**
 * It ends within a tenth of a second. But one end in twenty of libvirtd 11.3 (Debian 13) waits for a thread of its node devices
 * (`udev-event`) that nobody wakes, until libvirtd gives up after 30 s. Neither the demo's figures nor a test are to tell of that.
 */
const endLibvirtd = `p=$(cat /run/libvirtd.pid)
for signal in "$1" KILL; do
  kill -s "$signal" "$p" || exit 0
  for i in $(seq 100); do kill -0 "$p" 2>/dev/null || exit 0; sleep 0.05; done
done
exit 1`;

interface Parts {
  readonly world: World;
  readonly daemon: readonly string[] | undefined;
  readonly virsh: Libvirt["virsh"];
  imageOf(guest: GuestWish): Promise<GuestImage>;
}

function makeLibvirt({ world, daemon, virsh, imageOf }: Parts): Libvirt {
  const endWith = (signal: string) => world.must(["sh", "-c", endLibvirtd, "sh", signal]);
  return {
    virsh,
    startNetwork: async (xml) => {
      const name = /<name>([^<]+)<\/name>/.exec(xml)?.[1] ?? "";
      const file = join(world.folder, `network-${name}.xml`);
      await writeFile(file, xml);
      await virsh("net-define", file);
      await virsh("net-start", name);
    },
    startGuest: async (guest) => {
      const file = join(world.folder, `guest-${guest.name}.xml`);
      await writeFile(file, guestXml(guest, await imageOf(guest), world.folder));
      await virsh("create", file, ...(guest.paused === true ? ["--paused"] : []));
    },
    untilServing: (guest) => untilServing({ world, virsh }, guest),
    reload: async () => {
      await world.must(["sh", "-c", 'kill -HUP "$(cat /run/libvirtd.pid)"']);
    },
    restart: async () => {
      await endWith("TERM");
      await startLibvirtd(world, daemon);
    },
    crash: async () => {
      await endWith("KILL");
      await startLibvirtd(world, daemon);
    },
  };
}

/** 8 s, but for four guests at once on a processor that others want too. */
const servingMs = 120_000;

async function untilServing(
  { world, virsh }: { readonly world: World; readonly virsh: Libvirt["virsh"] },
  guest: string,
): Promise<string> {
  const deadline = Date.now() + servingMs;
  let seen = "no lease";
  while (Date.now() < deadline) {
    const leases = await virsh("domifaddr", guest).catch(() => "");
    const address = /ipv4\s+([\d.]+)/.exec(leases)?.[1];
    if (address !== undefined) {
      seen = `lease ${address}, no page`;
      const page = await fetchPage(world, `http://${address}/`, { timeoutMs: 2_000 });
      if (page.includes(`I am ${guest}`)) return address;
    }
    await pause(100);
  }
  const console = await readFile(consoleFile(world.folder, guest), "utf8").catch(() => "");
  throw new LabError(
    `guest ${guest} does not serve after ${servingMs} ms (${seen}). The end of its console:\n` +
      console.slice(-2_000),
  );
}

function consoleFile(folder: string, guest: string): string {
  return join(folder, `console-${guest}.log`);
}

const agentChannel =
  "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>";

function commandLine({ name, address, gateway, floods }: GuestWish): string {
  const words = ["console=ttyS0 quiet panic=1 rdinit=/init random.trust_cpu=on tsc=reliable"];
  words.push(`guest=${name}`);
  if (address !== undefined) words.push(`address=${address}`);
  if (gateway !== undefined) words.push(`gateway=${gateway}`);
  if (floods === true) words.push("flood");
  return words.join(" ");
}

function guestXml(guest: GuestWish, image: GuestImage, folder: string): string {
  return `<domain type='qemu'>
  <name>${guest.name}</name>
  ${guest.domainXml ?? ""}
  <memory unit='MiB'>96</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>${image.kernel}</kernel>
    <initrd>${image.initramfs}</initrd>
    <cmdline>${commandLine(guest)}</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='${guest.bridge === undefined ? "network" : "bridge"}'>
      <mac address='${guest.mac}'/>
      ${sourceXml(guest)}
      <model type='virtio'/>
      ${guest.interfaceXml ?? ""}
    </interface>
    <serial type='file'><source path='${consoleFile(folder, guest.name)}'/></serial>
    ${guest.hasAgent === true ? agentChannel : ""}
    <memballoon model='none'/>
  </devices>
</domain>
`;
}

function sourceXml({ bridge, network = "default" }: GuestWish): string {
  return bridge === undefined ? `<source network='${network}'/>` : `<source bridge='${bridge}'/>`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
