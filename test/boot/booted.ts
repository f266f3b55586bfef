import { expect, vi } from "vitest";

import { startBootMachine, type BootMachine } from "../../lab/boot-machine.ts";
import {
  hostFiles,
  hostUnits,
  layWire,
  ownUnits,
  stateFiles,
  guestAddress,
  type Wire,
} from "./host.ts";
import { Probes } from "./probes.ts";

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
}

const patiently = { timeout: 300_000, interval: 50 };

/** A host that is switched on while packets are sent at it and through it already. */
export async function boot({ number, kernel, files, wants }: BootOptions): Promise<Booted> {
  const wire = await layWire(number);
  const state = await stateFiles(wire);
  const probes = new Probes();
  probes.listen("up", wire.outside, 9999);
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
    wants: { "sysinit.target": early, "multi-user.target": later },
  });
  const stop = async (): Promise<void> => {
    await machine.stop();
    await probes.stop();
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

/** When the network came up. Waits for that. */
export async function networkUp({ probes, machine }: Booted): Promise<number> {
  try {
    await vi.waitUntil(() => probes.of("up").length > 0, patiently);
  } catch (error) {
    throw new Error(`no network: ${(await machine.console()).slice(-2_000)}`, { cause: error });
  }
  return probes.of("up")[0]?.sentAt ?? Infinity;
}

/** Whoever knocked at the failsafe port from then on was let in. */
export function expectNeverLockedOut({ probes }: Booted, from: number): void {
  const knocks = probes.of("failsafe").filter(({ sentAt }) => sentAt >= from);
  expect(knocks.filter(({ by }) => by !== "answer")).toEqual([]);
  expect(knocks.length).toBeGreaterThan(0);
}

/** Waits until something comes back for packets of this probe that were sent from now on. */
export async function untilAnswered({ probes, machine }: Booted, probe: string): Promise<void> {
  const now = performance.now();
  try {
    await vi.waitUntil(() => probes.answered(probe).some(({ sentAt }) => sentAt >= now), patiently);
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
