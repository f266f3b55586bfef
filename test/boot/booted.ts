import { expect, vi } from "vitest";

import { startBootMachine, type BootMachine } from "../../lab/boot-machine.ts";
import {
  hostFiles,
  hostUnits,
  layWire,
  ownUnits,
  stateFiles,
  guestAddress,
  type Forward,
  type Wire,
} from "./host.ts";
import { Probes, type Answer } from "./probes.ts";

export interface Booted {
  readonly machine: BootMachine;
  readonly probes: Probes;
  readonly wire: Wire;
  stop(): Promise<void>;
}

export interface BootOptions {
  readonly number: number;
  readonly kernel: "new" | "own";
  readonly files?: Readonly<Record<string, string>>;
  readonly wants?: Readonly<Record<string, readonly string[]>>;
  /** Of the guest's network, by default `open`. */
  readonly forward?: Forward;
}

const patiently = { timeout: 600_000, interval: 50 };

/** A host that is switched on while packets are sent at it and through it already. */
export async function boot(options: BootOptions): Promise<Booted> {
  const { number, kernel, files, wants, forward = "open" } = options;
  const wire = await layWire(number);
  const state = await stateFiles(wire, forward);
  const probes = new Probes();
  probes.listen("up", wire.outside, 9999);
  probes.listen("others stopped", wire.outside, 9998);
  probes.connections("failsafe", wire.host, 22);
  probes.connections("refused service", wire.host, 8006);
  probes.datagrams("refused datagrams", wire.host, 7777);
  probes.datagrams("guest's own address", guestAddress, 7);
  probes.connections("published", wire.host, 8080);
  probes.listen("sent by the guest", wire.outside, 9000);
  probes.listen("refused to the guest", wire.outside, 9001);
  const early = [...hostUnits, ...ownUnits["sysinit.target"], ...(wants?.["sysinit.target"] ?? [])];
  const later = [...ownUnits["multi-user.target"], ...(wants?.["multi-user.target"] ?? [])];
  const machine = await startBootMachine({
    kernel,
    tap: wire.tap,
    files: { ...hostFiles(wire), ...state, ...files },
    wants: { ...wants, "sysinit.target": early, "multi-user.target": later },
  });
  const stop = async (): Promise<void> => {
    await machine.stop();
    await probes.stopAfterEnd();
  };
  return { machine, probes, wire, stop };
}

/** What the policy lets nobody do, whatever the moment. */
const refused = [
  "refused service",
  "refused datagrams",
  "guest's own address",
  "refused to the guest",
] as const;

export function expectNothingPassed({ probes }: Booted): void {
  expect(refused.filter((probe) => probes.answered(probe).length > 0)).toEqual([]);
}

export function answeredSince({ probes }: Booted, probe: string, from: number): readonly Answer[] {
  return probes.answered(probe).filter(({ sentAt }) => sentAt >= from);
}

/** When the network came up for the so manieth time. Waits for that. */
export async function networkUp({ probes, machine }: Booted, times = 1): Promise<number> {
  try {
    await vi.waitUntil(() => probes.of("up").length >= times, patiently);
  } catch (error) {
    throw new Error(`no network: ${(await machine.console()).slice(-2_000)}`, { cause: error });
  }
  return probes.of("up")[times - 1]?.sentAt ?? Infinity;
}

/** Whoever knocked at the failsafe port in that time was let in. */
export function expectNeverLockedOut({ probes }: Booted, from: number, until = Infinity): void {
  const knocks = probes.of("failsafe").filter(({ sentAt }) => sentAt >= from && sentAt < until);
  expect(knocks.filter(({ by }) => by !== "answer")).toEqual([]);
  expect(knocks.length).toBeGreaterThan(0);
}

/**
 * Has systemd switch the machine off. Whoever knocked at the failsafe port was let in, also after everybody else's firewall was gone, as long
 * as anybody was there to answer.
 */
export async function expectNeverLockedOutToTheEnd(booted: Booted, from: number): Promise<void> {
  const { machine, probes } = booted;
  await machine.must("systemctl --no-block poweroff");
  await machine.untilOff();
  await probes.stopAfterEnd();
  const stopped = probes.of("others stopped")[0]?.sentAt;
  const answers = probes.of("failsafe").filter(({ by }) => by === "answer");
  const last = answers.at(-1)?.sentAt;
  if (stopped === undefined || last === undefined) throw new Error(await machine.console());
  expect(last).toBeGreaterThan(stopped);
  expectNeverLockedOut(booted, from, last);
}

/** Waits until packets of this probe that were sent from then on are answered. */
export async function untilAnswered(
  { probes, machine }: Booted,
  probe: string,
  from = performance.now(),
): Promise<void> {
  const isAnswer = ({ sentAt, by }: Answer): boolean => sentAt >= from && by === "answer";
  try {
    await vi.waitUntil(() => probes.of(probe).some(isAnswer), patiently);
  } catch (error) {
    const script =
      "systemctl --failed --no-pager; journalctl -b --no-pager -u 'virtwall*' | tail -30";
    throw new Error(`${probe}: no answer\n${(await machine.run(script)).output}`, { cause: error });
  }
}

export const nftablesFiles = {
  "etc/nftables.conf": `#!/usr/sbin/nft -f
flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		tcp dport 22 accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
`,
};
