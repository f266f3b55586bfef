import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { startLibvirt } from "../../lab/libvirt.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { trixieRoot } from "../../lab/trixie.ts";
import { addUplink, client, uplink } from "../../lab/uplink.ts";
import { virtwall, writePolicy } from "../../lab/virtwall.ts";
import { startWorld, type World } from "../../lab/world.ts";

/*
 * What `virtwall topology plan` prints is done step by step, as a person would, by the real programs that make the links of hosts. They
 * run without systemd as PID 1, so what a step asks of `systemctl` is done by the unit's own commands.
 */

/** Who makes the links of the host. */
interface Manager {
  readonly kind: string;
  /** The file by which it makes the uplink before. */
  readonly file: string;
  readonly text: string;
  /** Makes the links as when the host starts; gives what ends it. */
  start(world: World): Promise<() => Promise<void>>;
  /** What a person makes of a step that is no command, or no command here. */
  readonly byHand: readonly (readonly [step: RegExp, command: string])[];
}

const addresses = [`${uplink.address}/24`, `${uplink.address6}/64`] as const;
const gateways = [client.address, client.address6] as const;

const managers: readonly Manager[] = [
  {
    kind: "systemd-networkd",
    file: `/etc/systemd/network/05-${uplink.name}.network`,
    text: `[Match]
Name=${uplink.name}

[Network]
${addresses.map((address) => `Address=${address}`).join("\n")}
${gateways.map((gateway) => `Gateway=${gateway}`).join("\n")}
`,
    start: async (world) => {
      await world.must(["install", "-d", "-o", "systemd-network", "/run/systemd/netif"]);
      const { end } = await world.start(["/usr/lib/systemd/systemd-networkd"]);
      return end;
    },
    byHand: [[/^take uplink out of (\S+),.*$/, "rm $1"]],
  },
  {
    kind: "ifupdown",
    file: "/etc/network/interfaces",
    text: `auto ${uplink.name}
iface ${uplink.name} inet static
    address ${addresses[0]}
    gateway ${gateways[0]}
iface ${uplink.name} inet6 static
    address ${addresses[1]}
    gateway ${gateways[1]}
source /etc/network/interfaces.d/*
`,
    start: async (world) => {
      await world.must(["ifup", "-a"]);
      return async () => undefined;
    },
    byHand: [
      [
        /^take the stanzas of uplink out of (\S+); leave: (.*)$/,
        "printf '%s\\n' '$2' 'source /etc/network/interfaces.d/*' >$1",
      ],
      [/^systemctl restart networking$/, "ifdown -a --exclude=lo; ifup -a"],
    ],
  },
  {
    kind: "NetworkManager",
    file: "/etc/NetworkManager/system-connections/wired.nmconnection",
    text: `[connection]
id=wired
type=ethernet
interface-name=${uplink.name}

[ipv4]
method=manual
address1=${addresses[0]},${gateways[0]}

[ipv6]
method=manual
address1=${addresses[1]},${gateways[1]}
`,
    start: async (world) => {
      const { end } = await world.start(["NetworkManager", "--no-daemon"]);
      return end;
    },
    byHand: [[/^(nmcli connection modify) PROFILE (\S+ no),.*$/, "$1 wired $2"]],
  },
];

async function startBus(world: World): Promise<void> {
  await world.must(["mkdir", "-p", "/run/dbus"]);
  await world.start(["dbus-daemon", "--system", "--nofork", "--nopidfile"]);
  await until(world, "test -S /run/dbus/system_bus_socket");
}

async function until(world: World, command: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { status, stdout, stderr } = await world.run(["sh", "-c", command]);
    if (status === 0) return;
    if (Date.now() > deadline) throw new Error(`not in time: ${command}\n${stdout}${stderr}`);
    await setTimeout(100);
  }
}

const innerMac = "52:54:00:00:0f:02";

const guestXml = (name: string) => `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <interface type='network'>
      <mac address='${innerMac}'/><source network='default'/><model type='virtio'/>
    </interface>
    <memballoon model='none'/>
  </devices>
</domain>`;

const firewallVm = "firewallVm: { guest: fw, wan: br-wan }";
const everywhere: Manager["byHand"] = [
  [/^systemd-run .*$|^connect to the host anew, .*$/, "true"],
  // Of all files only this one: the others set what is the machine's.
  [/^sysctl --system$/, "/usr/lib/systemd/systemd-sysctl /etc/sysctl.d/60-firewall-vm.conf"],
  [
    /^(virsh net-destroy .*; virsh net-start .*), and start its guests anew$/,
    "kill -KILL $(cat /run/libvirt/qemu/fw.pid); $1; until virsh start --paused fw; do sleep 0.1; done",
  ],
  [/^systemctl (enable \S+)$/, "systemctl --root=/ $1"],
];

describe.each(managers)("the plan for a host whose links $kind makes", (manager) => {
  let world: World;
  let end: () => Promise<void>;

  beforeAll(async () => {
    world = await startWorld({ root: await trixieRoot() });
    // Where it can be written to, they wait for udev to have seen a link first, which sees those of the machine alone.
    await world.must(["mount", "-o", "remount,ro", "/sys"]);
    await addUplink(world);
    await world.must(["ip", "link", "set", uplink.name, "down"]);
    await world.must(["ip", "addr", "flush", "dev", uplink.name]);
    const { virsh } = await startLibvirt(world);
    for (const name of ["fw", "web1"]) {
      const file = join(world.folder, `${name}.xml`);
      await writeFile(file, guestXml(name));
      await virsh("define", file);
    }
    await virsh("start", "--paused", "fw");
    await virsh("autostart", "web1");
    await write(manager.file, manager.text);
    // NetworkManager reads no other.
    if (manager.kind === "NetworkManager") await world.must(["chmod", "600", manager.file]);
    await startBus(world);
    end = await manager.start(world);
    await until(world, `ip -6 route show default | grep -q ${gateways[1]}`);
    await writePolicy(world, `host: { ${firewallVm} }\n`);
  });

  afterAll(async () => {
    await world?.stop();
  });

  async function write(path: string, text: string): Promise<void> {
    const file = world.pathOf(path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  async function carryOut(step: string, files: readonly PlannedFile[]): Promise<void> {
    if (step.startsWith("write the files: ")) {
      for (const { path, text } of files) await write(path, text);
    } else if (step.startsWith("in the policy: host: ")) {
      const host = `topology: firewall-vm, ${firewallVm}, input: [{ allow: tcp/22 }]`;
      const nics = `{ "${innerMac}": { address: 192.168.122.2 } }`;
      await writePolicy(world, `host: { ${host} }\nguests: { fw: { nics: ${nics} } }\n`);
    } else if (step.startsWith("virsh net-edit default: take <forward> out, ")) {
      const options = step.slice(step.indexOf("<dnsmasq:options"));
      const xml = await world.must(["virsh", "net-dumpxml", "--inactive", "default"]);
      const file = join(world.folder, "default.xml");
      const edited = xml.replace(/<forward [^>]*\/>|<forward.*<\/forward>/s, options);
      await writeFile(file, edited.replace("INNER-ADDRESS", "192.168.122.2"));
      await world.must(["virsh", "net-define", file]);
    } else if (step.startsWith("virtwall apply")) {
      await virtwall(world, "apply");
    } else if (step !== "virtwall topology check") {
      const hand = [...manager.byHand, ...everywhere].find(([pattern]) => pattern.test(step));
      const command = hand === undefined ? step : step.replace(...hand);
      await world.must(["sh", "-ec", command]);
    }
  }

  /** Addresses of the host's own leg. */
  async function hostLinks(): Promise<readonly string[]> {
    const { stdout } = await world.run([
      "ip",
      "-j",
      "addr",
      "show",
      "dev",
      "wan-host",
      "scope",
      "global",
    ]);
    const rows = stdout === "" ? [] : (JSON.parse(stdout) as readonly LinkRow[]);
    return (
      rows
        .flatMap(({ addr_info: found = [] }) => found)
        // Of those of another scope `ip` prints empty braces (iproute2 6.15).
        .flatMap(({ local, prefixlen }) => (local === undefined ? [] : [`${local}/${prefixlen}`]))
        .toSorted()
    );
  }

  async function failing(): Promise<readonly string[]> {
    const program = [process.execPath, join(projectRoot(), "bin", "virtwall")];
    const { stdout } = await world.run([...program, "topology", "check", "--json"]);
    const { findings } = JSON.parse(stdout) as { readonly findings: readonly { id: string }[] };
    return findings.map(({ id }) => id);
  }

  test("done step by step, holds in every point but for the guest that does not run", async () => {
    const plan = JSON.parse(await virtwall(world, "topology", "plan", "--json")) as {
      readonly manager: { readonly kind: string };
      readonly files: readonly PlannedFile[];
      readonly steps: readonly string[];
    };
    expect(plan.manager.kind).toBe(manager.kind);
    for (const step of plan.steps) await carryOut(step, plan.files);
    await expect.poll(failing).toEqual(["firewall-answers"]);
  });

  test("its files make the links anew when the host starts", async () => {
    const links = await hostLinks();
    expect(links).toEqual([...addresses].toSorted());
    await end();
    // What they remember does not outlive a host's end.
    const memory = ["/run/network", "/run/NetworkManager", "/run/systemd/netif"];
    await world.must(["rm", "-rf", ...memory]);
    const gone = ["link del br-wan", "link del wan-host", `link set ${uplink.name} down`];
    for (const words of gone) await world.must(["ip", ...words.split(" ")]);
    await manager.start(world);
    await expect.poll(hostLinks).toEqual(links);
    for (const gateway of gateways) {
      await until(world, `ip route get ${gateway} | grep -q 'dev wan-host'`);
    }
    await expect.poll(failing).not.toContain("wan-bridge");
  });
});

interface PlannedFile {
  readonly path: string;
  readonly text: string;
}

interface LinkRow {
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
}
