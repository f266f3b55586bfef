import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { qemuSettings } from "../../lab/libvirt.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { mustRun } from "../../lab/run-program.ts";
import { guestAddress, guestMac, networkXml } from "./host.ts";

/** What makes the daemon's start fail until it is taken away. */
export const daemonIsHeld = "/run/lab-daemon-is-held";

/**
 * The same host with the real libvirt, which starts network and guest by itself, and asks our hooks. An emulator in an emulator is too slow
 * for a guest with an own system, so this one stays in its BIOS, and QEMU's filters lead the frames of its tap to a network namespace: that is
 * what answers there and sends, from before the tap is made.
 */
export async function libvirtFiles(): Promise<Record<string, string>> {
  return {
    "etc/libvirt/qemu.conf": qemuSettings,
    "etc/libvirt/qemu/networks/lab.xml": networkXml("nat"),
    "etc/libvirt/qemu/web1.xml": guest,
    "etc/tmpfiles.d/lab.conf": [
      "L /etc/libvirt/qemu/networks/autostart/lab.xml - - - - ../lab.xml",
      "d /etc/libvirt/qemu/autostart",
      "L /etc/libvirt/qemu/autostart/web1.xml - - - - ../web1.xml\n",
    ].join("\n"),
    ...(await hooks()),
    "etc/systemd/system/lab-guest.service": `[Unit]
DefaultDependencies=no
Before=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'modprobe tun; ip netns add guest; ip -n guest tuntap add eth0 mode tap; ip -n guest link set eth0 address ${guestMac} up; \\
  ip -n guest address add ${guestAddress}/24 dev eth0; ip -n guest link set lo up; ip -n guest route add default via 192.168.70.1; \\
  ip -n guest neighbour add 192.168.70.1 lladdr 52:54:00:70:00:01 dev eth0 nud permanent'
`,
    "etc/systemd/system/lab-guest-wire.service": `[Unit]
DefaultDependencies=no
Requires=lab-guest.service
After=lab-guest.service
[Service]
NetworkNamespacePath=/run/netns/guest
ExecStart=/usr/bin/perl /usr/local/sbin/wire.pl eth0 /run/lab-guest-in /run/lab-guest-out
`,
    "etc/systemd/system/virtwall.service.d/lab.conf": `[Service]\nExecStartPre=/bin/sh -c '! test -e ${daemonIsHeld}'\n`,
  };
}

export const libvirtWants = {
  "sysinit.target": ["lab-guest-wire.service"],
  // As Debian's package has them.
  "sockets.target": ["libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket"],
  "multi-user.target": ["libvirtd.service"],
};

/** virtio would put headers of its own before the frames. */
const guest = `<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web1</name>
  <uuid>0d0c7c3e-0000-4000-8000-000000000070</uuid>
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <interface type='network'>
      <mac address='${guestMac}'/>
      <source network='lab'/>
      <model type='rtl8139'/>
      <rom enabled='no'/>
    </interface>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    ${[
      "-chardev",
      "socket,id=in,path=/run/lab-guest-in",
      "-chardev",
      "socket,id=out,path=/run/lab-guest-out",
    ]
      .concat("-object", "filter-redirector,id=from,netdev=hostnet0,queue=rx,indev=in")
      .concat("-object", "filter-redirector,id=to,netdev=hostnet0,queue=tx,outdev=out")
      .map((word) => `<qemu:arg value='${word}'/>`)
      .join("")}
  </qemu:commandline>
</domain>
`;

async function hooks(): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-hooks-"));
  try {
    const program = ["node", join(projectRoot(), "bin/virtwall"), "hook", "install"];
    await mustRun([...program, "--hooks-dir", folder]);
    const names = ["qemu.d/virtwall", "network.d/virtwall"];
    const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
    return Object.fromEntries(
      names.map((name, index) => [`etc/libvirt/hooks/${name}`, texts[index] ?? ""]),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
