import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GateClient } from "../../src/edge/nft/gate-client.ts";
import { openKernel } from "../../src/edge/nft/open-kernel.ts";
import { openLastingGate } from "../../src/edge/nft/start-gate.ts";
import { buildGate, newSocket, nft, startGate } from "./gate-program.ts";

let command: readonly string[] = [];
let startedPids = new Set<number>();

beforeAll(async () => {
  command = await buildGate();
});
beforeEach(() => void nft("flush", "ruleset"));
afterEach(async () => {
  for (const pid of startedPids) await end(pid);
  startedPids = new Set();
  nft("flush", "ruleset");
});

/** Kills a gate that is no child of ours, and waits until the kernel has taken its tables from it. */
async function end(pid: number): Promise<void> {
  try {
    process.kill(pid, "SIGKILL");
    for (;;) {
      process.kill(pid, 0);
      await sleep(5);
    }
  } catch {
    // Gone.
  }
}

/** A client as the daemon has it: it starts gates that outlive it. */
function lastingClient(socket: string): GateClient {
  return new GateClient(() => openLastingGate(socket, command));
}

const pidOf = async (client: GateClient): Promise<number> => {
  const { pid } = await client.ask({ kind: "status" });
  startedPids.add(pid);
  return pid;
};

/** A chain of 3000 rules that all bear the mark. */
function chainScript(mark: string): string {
  const rules = Array.from(
    { length: 3000 },
    (_, i) =>
      `add rule inet virtwall c ip saddr 10.0.${i >> 8}.${i & 255} drop comment "${mark}"\n`,
  );
  return `add chain inet virtwall c\nflush chain inet virtwall c\n${rules.join("")}`;
}

/** How many rules bear which mark. */
function countMarks(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, mark = ""] of nft("list", "table", "inet", "virtwall").matchAll(
    /comment "(.*)"/g,
  )) {
    counts[mark] = (counts[mark] ?? 0) + 1;
  }
  return counts;
}

describe("a gate killed with -9 in the middle of a commit", () => {
  it("leaves the old ruleset or the new one, never a mix", async () => {
    const socket = newSocket();
    let gate = await startGate(command, socket);
    let mark = "v0";
    await gate.client.ask({ kind: "commit", script: chainScript(mark) });
    const started = performance.now();
    await gate.client.ask({ kind: "commit", script: chainScript(mark) });
    const commitMs = performance.now() - started;
    const outcomes = new Set<string>();
    // Later and later, until it was late enough.
    for (let i = 0; i <= 12 || !outcomes.has("new"); i++) {
      const next = `v${i + 1}`;
      const answer = gate.client
        .ask({ kind: "commit", script: chainScript(next) })
        .catch(() => "died");
      await sleep((commitMs * i) / 10);
      await gate.kill("SIGKILL");
      await answer;
      const counts = countMarks();
      expect([{ [mark]: 3000 }, { [next]: 3000 }]).toContainEqual(counts);
      outcomes.add(next in counts ? "new" : "old");
      if (next in counts) mark = next;
      gate = await startGate(command, socket);
    }
    await gate.client.ask({ kind: "commit", script: chainScript("last") });
    expect(countMarks()).toEqual({ last: 3000 });
    await gate.kill("SIGKILL");
    expect(outcomes).toEqual(new Set(["old", "new"]));
  });
});

describe("a lasting gate", () => {
  it("is started by the first request and found by the next client", async () => {
    const socket = newSocket();
    const [first, second] = [lastingClient(socket), lastingClient(socket)];
    const pid = await pidOf(first);
    first.close();
    expect(await pidOf(second)).toBe(pid);
    second.close();
  });

  it("that is killed again and again under load loses nothing: what was answered is in the kernel", async () => {
    const client = lastingClient(newSocket());
    await pidOf(client);
    const set = "add set inet virtwall s { type inet_service; }\n";
    await client.ask({ kind: "commit", script: set });
    const answered: number[] = [];
    let failures = 0;
    let isOver = false;
    const load = (async () => {
      for (let port = 1; !isOver; port++) {
        const script = `add element inet virtwall s { ${port} }\n`;
        await client.ask({ kind: "commit", script }).then(
          () => answered.push(port),
          () => failures++,
        );
      }
    })();
    const answers = (count: number) => expect.poll(() => answered.length).toBeGreaterThan(count);
    for (let i = 0; i < 5; i++) {
      await answers(4 * i);
      const pid = await pidOf(client).catch(() => undefined);
      if (pid !== undefined) process.kill(pid, "SIGKILL");
    }
    await answers(20);
    isOver = true;
    await load;
    await pidOf(client);
    client.close();
    const listing = nft("-j", "list", "set", "inet", "virtwall", "s");
    const { nftables } = JSON.parse(listing) as { nftables: { set?: { elem: number[] } }[] };
    const elements = nftables.find((object) => object.set)?.set?.elem;
    expect(elements).toEqual(expect.arrayContaining(answered));
    expect(failures).toBeLessThanOrEqual(20);
  });

  it("that libnftables aborts leaves the tables, and the next request finds a new one", async () => {
    const client = lastingClient(newSocket());
    const before = await pidOf(client);
    await client.ask({ kind: "commit", script: "add chain inet virtwall c\n" });
    // nft 1.0.6: assertion in intervals.c; 1.1 answers with an error.
    const deadly = `add set inet virtwall s { type ipv4_addr; flags interval; elements = { 10.0.0.0, nosuchhost }; }
add element inet virtwall s { 10.9.9.9 }\n`;
    await expect(client.ask({ kind: "commit", script: deadly })).rejects.toThrow();
    const after = await client.ask({ kind: "status" });
    startedPids.add(after.pid);
    expect(after.tables.every(({ owned }) => owned)).toBe(true);
    expect(nft("list", "chains", "inet")).toContain("chain c");
    if (nft("--version").includes("v1.0.6")) expect(after.pid).not.toBe(before);
    client.close();
  });

  it("can start while one for a single apply is still ending", async () => {
    for (let i = 0; i < 5; i++) {
      const transient = await openKernel({ gate: "transient", socket: newSocket(), command });
      transient.close();
      const gate = await startGate(command);
      expect((await gate.client.ask({ kind: "status" })).tables.every(({ owned }) => owned)).toBe(
        true,
      );
      await gate.kill("SIGKILL");
    }
  });

  it("that cannot start says why", async () => {
    const gate = await startGate(command);
    const client = lastingClient(newSocket());
    await expect(client.ask({ kind: "status" })).rejects.toThrow(/belongs to another process/);
    await gate.kill("SIGKILL");
  });
});
