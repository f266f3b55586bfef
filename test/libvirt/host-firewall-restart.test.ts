import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import { startStream } from "../../lab/stream/start-stream.ts";
import type { StreamReport } from "../../lab/stream/stream-report.ts";
import { served, startServing, type Hypervisor } from "./hypervisor.ts";
import { expectNothingLost } from "./nothing-lost.ts";

let hypervisor: Hypervisor;
let reason: string | undefined;

beforeAll(async () => {
  hypervisor = await startServing();
  const status = JSON.parse(await hypervisor.virtwall("status", "--json")) as Status;
  if (status.protection.mode !== "owner") reason = status.protection.reason ?? "unknown";
});

afterAll(async () => {
  await hypervisor?.stop();
});

interface Status {
  readonly protection: { readonly mode: string; readonly reason?: string };
  readonly gate?: { readonly pid: number };
  readonly gaps: { readonly passRules: { readonly count: number } };
}

async function status(): Promise<Status> {
  return JSON.parse(await hypervisor.virtwall("status", "--json")) as Status;
}

/** Streams while `disturb` goes on, and tells what became of the packets. */
async function disturbed(disturb: () => Promise<void>): Promise<StreamReport> {
  const stream = await startStream(hypervisor.world, served);
  await setTimeout(200);
  await disturb();
  await setTimeout(300);
  return await stream.end();
}

async function restarts(count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    await hypervisor.firewall.restart();
    await setTimeout(50);
  }
}

/** These promises hold where the kernel knows table owners; elsewhere they cannot be tested, which CI must hear. */
function needsOwnerMode(skip: (why: string) => never): void {
  if (reason === undefined) return;
  if (process.env["CI"] === "true") throw new Error(`no owner mode on this machine: ${reason}`);
  process.stdout.write(`cannot run here, no owner mode: ${reason}\n`);
  skip(reason);
}

test("without our line in its file, each restart of the host firewall costs a moment that status tells", async () => {
  const told = async () => (await status()).gaps.passRules;
  const report = await disturbed(async () => {
    for (let done = 0; done < 5; done += 1) {
      const { count } = await told();
      await hypervisor.firewall.restart();
      await expect.poll(async () => (await told()).count).toBeGreaterThan(count);
    }
  });
  expect(report.datagrams.longestGapMs, JSON.stringify(await told())).toBeLessThan(2_000);
});

test("integrated, 60 restarts of the host firewall cost no packet and no connection", async ({
  skip,
}) => {
  needsOwnerMode(skip);
  await hypervisor.virtwall("integrate", "--file", hypervisor.firewall.file);
  await hypervisor.firewall.restart();
  expectNothingLost(await disturbed(() => restarts(60)));
});

test("the gate killed under load costs nothing, and another one takes over", async ({ skip }) => {
  needsOwnerMode(skip);
  const gate = (await status()).gate?.pid ?? 0;
  expect(gate).toBeGreaterThan(1);
  const report = await disturbed(async () => {
    await hypervisor.world.must(["sh", "-c", `kill -KILL ${gate}`]);
    await setTimeout(2_000);
  });
  expectNothingLost(report);
  await expect.poll(async () => (await status()).gate?.pid ?? gate).not.toBe(gate);
  expect((await status()).protection.mode).toBe("owner");
});

test("the daemon killed, a restart of the host firewall in that moment does nothing to guests", async ({
  skip,
}) => {
  needsOwnerMode(skip);
  const report = await disturbed(async () => {
    await hypervisor.daemon().end("SIGKILL");
    await restarts(5);
    await hypervisor.startDaemon();
    await restarts(5);
  });
  expectNothingLost(report);
});
