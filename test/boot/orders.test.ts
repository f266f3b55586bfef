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
