import { afterEach, expect, test } from "vitest";

import {
  boot,
  expectNeverLockedOut,
  expectNothingPassed,
  expectNeverLockedOutToTheEnd,
  networkUp,
  nftablesFiles,
  untilAnswered,
  type Booted,
  type BootOptions,
} from "./booted.ts";
import { daemonIsHeld, libvirtFiles, libvirtWants } from "./libvirt-host.ts";

const running: Booted[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((booted) => booted.stop()));
});

async function start(options: BootOptions): Promise<Booted> {
  const booted = await boot(options);
  running.push(booted);
  return booted;
}

/** Guests do what the policy lets them. Gives when the network came up. */
async function untilAtWork(booted: Booted): Promise<number> {
  const up = await networkUp(booted);
  await untilAnswered(booted, "published");
  await untilAnswered(booted, "sent by the guest");
  return up;
}

/** From before the machine is on until guests do what the policy lets them. */
async function expectRightFromTheFirstSecond(booted: Booted): Promise<void> {
  const up = await untilAtWork(booted);
  await booted.probes.stop();
  expectNothingPassed(booted);
  expectNeverLockedOut(booted, up);
}

/** The same, and on until systemd has switched the machine off. */
async function expectRightToTheLastSecond(booted: Booted): Promise<void> {
  const up = await untilAtWork(booted);
  await expectNeverLockedOutToTheEnd(booted, up);
  expectNothingPassed(booted);
}

const nftables = { "sysinit.target": ["nftables.service"] };

test("beside nftables.service, on a kernel that knows owners, and on until it is off", async () => {
  const booted = await start({ number: 1, kernel: "new", files: nftablesFiles, wants: nftables });
  await untilAtWork(booted);
  expect(await booted.machine.must("nft list tables")).toContain("table inet filter");
  expect(await booted.machine.must("virtwall status")).toContain("owner");
  await expectRightToTheLastSecond(booted);
});

test("beside nftables.service that flushes nothing when it stops, on a kernel that knows none, and on until it is off", async () => {
  const files = {
    ...nftablesFiles,
    "etc/systemd/system/nftables.service.d/keep.conf": "[Service]\nExecStop=\n",
  };
  const booted = await start({ number: 2, kernel: "own", files, wants: nftables });
  await untilAtWork(booted);
  expect(await booted.machine.must("nft list tables")).toContain("table inet filter");
  await expectRightToTheLastSecond(booted);
});

test("beside firewalld", async () => {
  const wants = { "multi-user.target": ["firewalld.service"] };
  const booted = await start({ number: 3, kernel: "new", wants });
  await expectRightFromTheFirstSecond(booted);
  expect(await booted.machine.must("firewall-cmd --state")).toContain("running");
});

test("beside no other firewall, with a full disk", async () => {
  const tiny = `[Unit]
DefaultDependencies=no
After=local-fs.target
Before=virtwall-early.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'cp -a /var/lib/virtwall /run/kept; mount -t tmpfs -o size=64k tmpfs /var/lib/virtwall; \\
  cp /run/kept/boot.nft /run/kept/last-good-policy.json /var/lib/virtwall; \\
  dd if=/dev/zero of=/var/lib/virtwall/full bs=1k || :'
`;
  const files = { "etc/systemd/system/lab-full.service": tiny };
  const wants = { "sysinit.target": ["lab-full.service"] };
  const booted = await start({ number: 4, kernel: "new", files, wants });
  await expectRightFromTheFirstSecond(booted);
  const journal = await booted.machine.must("journalctl -b --no-pager -u virtwall.service");
  expect(journal).toContain("no space left on the disk");
});

test("beside ufw, with a guest that libvirt starts while the daemon is not there, and on until it is off", async () => {
  const files = {
    ...(await libvirtFiles()),
    "etc/ufw/ufw.conf": "ENABLED=yes\nLOGLEVEL=off\n",
    // As `ufw allow 22/tcp` writes it.
    "etc/systemd/system/ufw.service.d/lab.conf":
      "[Service]\nExecStartPre=/usr/bin/sed -i '/^### RULES ###/a -A ufw-user-input -p tcp --dport 22 -j ACCEPT' /etc/ufw/user.rules\n",
    "etc/tmpfiles.d/held.conf": `f ${daemonIsHeld}\n`,
  };
  const wants = {
    ...libvirtWants,
    "multi-user.target": [...libvirtWants["multi-user.target"], "ufw.service"],
  };
  const booted = await start({ number: 5, kernel: "new", forward: "nat", files, wants });
  const { machine, probes } = booted;
  const packetsOfTheGuest = "/sys/class/net/vnet0/statistics/rx_packets";
  await machine.must(
    `until [ "$(cat ${packetsOfTheGuest} || echo 0)" -gt 40 ]; do sleep 1; done 2>/dev/null`,
  );
  expect(await machine.must("systemctl show -P ActiveState virtwall")).not.toBe("active\n");
  expect(probes.of("sent by the guest")).toEqual([]);
  await machine.must(`rm ${daemonIsHeld}`);
  await untilAtWork(booted);
  expect(await machine.must("iptables -S")).toContain("ufw-user-input -p tcp -m tcp --dport 22");
  await expectRightToTheLastSecond(booted);
});

test("beside Docker, with a guest that libvirt starts, and on until it is off", async () => {
  const files = {
    ...(await libvirtFiles()),
    // Docker closes FORWARD only if it is who switches forwarding on.
    "etc/systemd/system/libvirtd.service.d/lab.conf": "[Unit]\nAfter=docker.service\n",
  };
  const wants = {
    "sysinit.target": libvirtWants["sysinit.target"],
    "sockets.target": [...libvirtWants["sockets.target"], "docker.socket"],
    "multi-user.target": [
      ...libvirtWants["multi-user.target"],
      "docker.service",
      "containerd.service",
    ],
  };
  const booted = await start({ number: 6, kernel: "new", forward: "nat", files, wants });
  await untilAtWork(booted);
  const rules = await booted.machine.must("iptables -S; systemctl is-active docker.service");
  expect(rules).toMatch(/^-P FORWARD DROP$[^]*^-A FORWARD -j DOCKER-USER$[^]*^active$/m);
  await expectRightToTheLastSecond(booted);
});
