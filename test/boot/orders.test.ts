import { afterEach, expect, test } from "vitest";

import {
  boot,
  expectNeverLockedOut,
  expectNothingPassed,
  networkUp,
  nftablesFiles,
  untilAnswered,
  type Booted,
  type BootOptions,
} from "./booted.ts";

const running: Booted[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((booted) => booted.stop()));
});

async function start(options: BootOptions): Promise<Booted> {
  const booted = await boot(options);
  running.push(booted);
  return booted;
}

/** From before the machine is on until guests do what the policy lets them. */
async function expectRightFromTheFirstSecond(booted: Booted): Promise<void> {
  const up = await networkUp(booted);
  await untilAnswered(booted, "published");
  await untilAnswered(booted, "sent by the guest");
  await booted.probes.stop();
  expectNothingPassed(booted);
  expectNeverLockedOut(booted, up);
}

const nftables = { "sysinit.target": ["nftables.service"] };

test("beside nftables.service, on a kernel that knows owners", async () => {
  const booted = await start({ number: 1, kernel: "new", files: nftablesFiles, wants: nftables });
  await expectRightFromTheFirstSecond(booted);
  expect(await booted.machine.must("nft list tables")).toContain("table inet filter");
  expect(await booted.machine.must("virtwall status")).toContain("owner");
});

test("beside nftables.service, on a kernel that knows none", async () => {
  const booted = await start({ number: 2, kernel: "own", files: nftablesFiles, wants: nftables });
  await expectRightFromTheFirstSecond(booted);
  expect(await booted.machine.must("nft list tables")).toContain("table inet filter");
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
