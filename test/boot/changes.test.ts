import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { buildPackages } from "../package/build-packages.ts";
import {
  answeredSince,
  boot,
  expectNeverLockedOut,
  networkUp,
  nftablesFiles,
  untilAnswered,
  type Booted,
} from "./booted.ts";
import { policy } from "./host.ts";

/** One machine, and what happens to it in the order of these tests. */
let booted: Booted;
let must: Booted["machine"]["must"];

const virtwall = "virtwall --inventory /etc/lab-inventory";
const written = () => must("cat /etc/virtwall/policy.yaml");
const mainPid = (unit: string) => must(`systemctl show -P MainPID ${unit}.service`);

beforeAll(async () => {
  booted = await boot({
    number: 9,
    kernel: "new",
    files: {
      // What comes to the host itself is virtwall's alone to judge.
      "etc/nftables.conf": nftablesFiles["etc/nftables.conf"].replace(/\tchain input[^}]*}\n/, ""),
      "root/new.yaml": policy("tcp/22, tcp/8006"),
      ...(await packageFiles("90", "91")),
    },
    wants: { "sysinit.target": ["nftables.service"] },
  });
  must = booted.machine.must;
  await networkUp(booted);
  await untilAnswered(booted, "published");
  await must(installing("90"));
});

afterAll(() => booted?.stop());

/** Packages of what is built here under these versions, as text. */
async function packageFiles(...versions: readonly string[]): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-packages-"));
  const files: Record<string, string> = {};
  try {
    for (const version of versions) {
      await buildPackages(join(folder, version), "--version", version, "--without-node");
      const [name = ""] = await readdir(join(folder, version));
      files[`root/${version}`] = await readFile(join(folder, version, name), "base64");
    }
    return files;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const installing = (version: string) =>
  `base64 -d /root/${version} >/root/${version}.deb && dpkg -i --force-depends /root/${version}.deb 2>&1`;

/** Numbers that are missing among those that the guest has sent. */
function missing(from: number, until: number): number[] {
  const sent = booted.probes
    .of("sent by the guest")
    .filter(({ sentAt }) => sentAt >= from && sentAt < until);
  expect(sent.length).toBeGreaterThan(10);
  const numbers = new Set(sent.map(({ text }) => Number(text)));
  const first = Math.min(...numbers);
  const count = Math.max(...numbers) - first + 1;
  return Array.from({ length: count }, (_, index) => first + index).filter((n) => !numbers.has(n));
}

/** Enough for a change to be in force before its time is over, on a machine that is as slow as this one is now. */
async function secondsToApply(): Promise<number> {
  const begun = performance.now();
  await must(`${virtwall} apply /root/new.yaml --dry-run`);
  return Math.ceil(30 + (5 * (performance.now() - begun)) / 1_000);
}

test("a change that nobody confirms is taken back after its seconds, whatever the clock says, and an upgrade meanwhile loses nothing", async () => {
  const seconds = await secondsToApply();
  const begun = performance.now();
  await must(`${virtwall} apply /root/new.yaml --confirm ${seconds}`);
  await untilAnswered(booted, "refused service", begun);
  await must("date -s '+1 day'");
  const [gate, daemon] = [await mainPid("virtwall-gate"), await mainPid("virtwall")];
  const from = performance.now();
  await must(installing("91"));
  await untilAnswered(booted, "published");
  const until = performance.now();
  expect(await mainPid("virtwall-gate")).toBe(gate);
  expect(await mainPid("virtwall")).not.toBe(daemon);
  expect(await must("dpkg-query -W -f '${Version}' virtwall")).toBe("91");
  await must("date -s '-25 hours'");
  await expect.poll(written, { timeout: 600_000, interval: 500 }).toBe(policy());
  expect(performance.now() - begun).toBeGreaterThan(seconds * 1_000);
  const lost = booted.probes.of("published").filter(({ by }) => by !== "answer");
  expect(lost.filter(({ sentAt }) => sentAt >= from && sentAt < until)).toEqual([]);
  expect(missing(from, until)).toEqual([]);
  expectNeverLockedOut(booted, from, until);
});

test("a reset before the confirmation: what was in force before holds, from the first second of the boot on", async () => {
  await must(`${virtwall} apply /root/new.yaml --confirm 3000`);
  await untilAnswered(booted, "refused service");
  await booted.machine.reset();
  const from = performance.now();
  const up = await networkUp(booted, 2);
  await untilAnswered(booted, "published", from);
  await expect.poll(written, { timeout: 600_000, interval: 500 }).toBe(policy());
  expect(answeredSince(booted, "refused service", from)).toEqual([]);
  expectNeverLockedOut(booted, up);
});

test("stop --clean leaves the rules of others as they were", async () => {
  await must(`${virtwall} stop --clean`);
  const others = "nft -f /etc/nftables.conf; nft list ruleset";
  expect(await must("nft list ruleset")).toBe(await must(`unshare --net sh -c '${others}'`));
  // It was virtwall who kept these from passing.
  await untilAnswered(booted, "refused service");
  await untilAnswered(booted, "refused datagrams");
});

test("with a policy that cannot be read, and nothing that was in force, the early unit leaves the failsafe port open alone, and says so on the console", async () => {
  // As before any network.
  await must("ip route delete default; echo 'host: [' >/etc/virtwall/policy.yaml");
  await booted.machine.run("systemctl restart virtwall-early.service");
  const from = performance.now();
  const said = "of what host.input opens tcp/22 alone is open";
  await expect.poll(booted.machine.console, { timeout: 600_000 }).toContain(said);
  await expect
    .poll(() => answeredSince(booted, "failsafe", from).length, { timeout: 600_000 })
    .toBeGreaterThan(10);
  // Datagrams that were let in until now are one flow, which may go on.
  const closed = ["refused service", "published"];
  expect(closed.flatMap((probe) => answeredSince(booted, probe, from))).toEqual([]);
});
