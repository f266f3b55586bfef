import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchWorld, benchTool, clearRules, makeBenchWorld } from "./bench-world.ts";
import { RunningDaemon } from "./daemon-program.ts";
import { bridge, type Fleet, hostAddress, makeFleet, peers, streamPort } from "./fleet.ts";
import { Program, run } from "./program.ts";
import type { BenchRow } from "./report.ts";
import { quantile } from "./statistics.ts";

const restarts = 60;
const pauseMs = 200;
const packetsASecond = 4000;
const packetsAFlow = 100;

interface Contender {
  readonly who: string;
  /** The host's own firewall file. */
  readonly file: string;
  /** Puts guests' rules into force; the function it gives takes them off. */
  start(world: BenchWorld): Promise<() => Promise<void>>;
  /** What the admin's restart runs afterwards. */
  afterRestart?(world: BenchWorld): Promise<unknown>;
}

interface Outcome {
  readonly sent: number;
  readonly lost: number;
  readonly gapsMs: readonly number[];
}

/** A stream of new connections to a published port while the host's own firewall is restarted again and again. */
export async function hostFirewallRestarts(): Promise<BenchRow> {
  const fleet = makeFleet(100, 1);
  const outcomes: { who: string; outcome: Outcome }[] = [];
  for (const contender of contendersFor(fleet)) {
    const world = await makeBenchWorld(fleet);
    try {
      outcomes.push({ who: contender.who, outcome: await measure(world, contender) });
    } finally {
      await world.close();
    }
  }
  return {
    name: "restarts",
    title: `A stream of new connections while the host firewall restarts ${restarts} times, ${fleet.guests.length} nics`,
    columns: ["sent", "lost", "gap p50 ms", "gap p99 ms"],
    results: outcomes.map(({ who, outcome: { sent, lost, gapsMs } }) => ({
      who,
      figures: [sent, lost, ...[0.5, 0.99].map((share) => quantile(gapsMs, share))],
      isReference: false,
    })),
    note:
      `UDP from outside to a published port, a new connection every ${packetsAFlow} packets. A restart is that of nftables.service: ` +
      "`nft flush ruleset`, then `nft -f` of a file with policy drop in input and forward. A gap is a run of lost packets.",
  };
}

function contendersFor(fleet: Fleet): Contender[] {
  const { publications } = fleet;
  const peerRules = `${peers.nft(publications)}
    add rule ip peer prerouting ip daddr ${hostAddress} udp dport ${streamPort} dnat to ${fleet.real.address}:${streamPort}\n`;
  const loadPeer = (world: BenchWorld): Promise<string> =>
    run(world.host, ["nft", "-f", "-"], peerRules);
  const plain = {
    file: firewallFile([
      "ct state established,related accept",
      `iifname "${bridge}" accept`,
      "ct status dnat accept",
    ]),
    start: async (world: BenchWorld) => {
      await loadPeer(world);
      return () => clearRules(world);
    },
  };
  const virtwall = (mode: "owner" | "restore") => async (world: BenchWorld) => {
    const daemon = await RunningDaemon.start(world, fleet, mode);
    return () => daemon.stop();
  };
  const integrated = firewallFile([
    'meta mark & 0x10000000 == 0x10000000 accept comment "virtwall"',
  ]);
  return [
    { who: "virtwall, owner mode, integrated", file: integrated, start: virtwall("owner") },
    { who: "virtwall, owner mode", file: firewallFile([]), start: virtwall("owner") },
    { who: "virtwall, restore mode, integrated", file: integrated, start: virtwall("restore") },
    { who: "virtwall, restore mode", file: firewallFile([]), start: virtwall("restore") },
    { who: "plain tables, put back by the restart", ...plain, afterRestart: loadPeer },
    { who: "plain tables, put back by nobody", ...plain },
  ];
}

function firewallFile(forwardRules: readonly string[]): string {
  const chain = (hook: string, rules: readonly string[]): string =>
    [
      `chain ${hook} {`,
      `type filter hook ${hook} priority filter; policy drop;`,
      ...rules,
      "}",
    ].join("\n");
  const rules = ["flush ruleset", "table inet filter {", chain("input", forwardRules)];
  return [...rules, chain("forward", forwardRules), "}", ""].join("\n");
}

async function measure(world: BenchWorld, contender: Contender): Promise<Outcome> {
  const file = join(tmpdir(), `virtwall-bench-${process.pid}.nft`);
  writeFileSync(file, contender.file);
  await run(world.host, ["nft", "-f", file]);
  const stop = await contender.start(world);
  const receiver = new Program(world.guest, benchTool("receive.pl", streamPort));
  await receiver.said("ready");
  const send = ["send.pl", hostAddress, streamPort, packetsASecond, packetsAFlow] as const;
  const sender = new Program(world.client, benchTool(...send));
  const started = performance.now();
  for (let i = 0; i < restarts; i++) {
    await sleep(pauseMs);
    await run(world.host, ["nft", "flush", "ruleset"]);
    await run(world.host, ["nft", "-f", file]);
    await contender.afterRestart?.(world);
  }
  await sleep(200);
  const [sent = 0] = numbers(await sender.finish());
  const elapsedMs = performance.now() - started;
  await sleep(100);
  const [received = 0, next = 0, ...gaps] = numbers(await receiver.finish());
  await stop();
  rmSync(file);
  const lengths = sent > next ? [...gaps, sent - next] : gaps;
  const gapsMs = lengths.length === 0 ? [0] : lengths.map((gap) => (gap / sent) * elapsedMs);
  return { sent, lost: sent - received, gapsMs };
}

function numbers(line: string): number[] {
  const [last = ""] = line.trim().split("\n").slice(-1);
  return last.split(" ").map(Number);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
