import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { NftKernel } from "../../src/edge/nft/kernel.ts";
import { openKernel } from "../../src/edge/nft/open-kernel.ts";
import { listTables, withTrueFlags } from "../../src/edge/nft/list.ts";
import { readRuleset } from "../../src/edge/nft/read-ruleset.ts";
import { normalise } from "../../src/nft/normalise.ts";
import { readTables } from "../../src/nft/read.ts";
import { KernelError } from "../../src/ports/kernel.ts";
import { buildGate, newSocket, nft, run } from "./gate-program.ts";

const script = `add chain inet virtwall b { type filter hook forward priority filter - 5; policy accept; }
add chain inet virtwall c
add map inet virtwall m { type ipv4_addr : verdict; counter; }
add element inet virtwall m { 10.0.0.1 : drop, 10.0.0.2 : jump c }
add set inet virtwall s { type ifname . ipv4_addr; }
add element inet virtwall s { "vnet0" . 10.0.0.1 }
add rule inet virtwall b ip daddr vmap @m
add rule inet virtwall c counter accept comment "web.yaml:12"
add chain bridge virtwall c
`;

let command: readonly string[] = [];
const kernel = new NftKernel("a test without a gate");

beforeAll(async () => {
  command = await buildGate();
});
beforeEach(() => void nft("flush", "ruleset"));
afterEach(() => void nft("flush", "ruleset"));

/** Runs with another search path for programs. */
async function withPath<T>(path: string, action: () => Promise<T>): Promise<T> {
  const before = process.env["PATH"];
  process.env["PATH"] = path;
  try {
    return await action();
  } finally {
    process.env["PATH"] = before;
  }
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await action();
  return performance.now() - started;
}

describe("our own tables", () => {
  it("read the same whether they are owned, or persist without an owner", async () => {
    const owned = await openKernel({ gate: "transient", socket: newSocket(), command });
    await owned.commit(script);
    const before = await owned.readTables();
    expect(before.map(({ family, chains }) => [family, chains.length])).toEqual([
      ["inet", 2],
      ["bridge", 1],
    ]);
    owned.close();
    await expect.poll(() => nft("list", "table", "inet", "virtwall")).not.toContain("progname");
    for (let i = 0; i < 10; i++) expect(await kernel.readTables()).toEqual(before);
  });

  it("that are dormant are known as such", async () => {
    nft("add table inet virtwall { flags dormant; }");
    expect(await kernel.readTables()).toMatchObject([{ name: "virtwall", dormant: true }]);
  });

  it("that are not there are not in the answer", async () => {
    expect(await kernel.readTables()).toEqual([]);
  });

  it("that vanish under a gate are made again by reading them", async () => {
    nft("add table inet virtwall; add chain inet virtwall theirs");
    const gated = await openKernel({ gate: "transient", socket: newSocket(), command });
    expect(await gated.ownership()).toMatchObject({ mode: "restore" });
    nft("flush", "ruleset");
    expect(await gated.readTables()).toMatchObject([
      { family: "inet", chains: [] },
      { family: "bridge", chains: [] },
    ]);
    expect(await gated.ownership()).toEqual({ mode: "owner" });
    gated.close();
    await expect.poll(() => nft("list", "table", "inet", "virtwall")).not.toContain("progname");
  });

  it("tell how often each element matched", async () => {
    nft("add table inet virtwall");
    await kernel.commit(script.replace(/^.*bridge.*$/m, ""));
    expect(await kernel.readCounters()).toEqual([
      { table: "virtwall", set: "m", key: "10.0.0.1", packets: 0 },
      { table: "virtwall", set: "m", key: "10.0.0.2", packets: 0 },
    ]);
  });

  it("a script refused by nft alone shows its line too", async () => {
    const bad = "add table inet virtwall\nadd rule inet virtwall nowhere accept\n";
    await expect(kernel.commit(bad)).rejects.toThrow(/line 2:.*\n.*nowhere accept/);
    expect(await kernel.readTables()).toEqual([]);
  });

  it("a listing that fails is an error, not an empty answer", async () => {
    await kernel.readTables();
    writeFileSync(
      "/run/nft",
      "#!/bin/sh\necho 'Error: cache initialization failed' >&2\nexit 1\n",
      {
        mode: 0o755,
      },
    );
    const error = await withPath("/run:/bin", () => kernel.readTables().catch((e: unknown) => e));
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ message: "Error: cache initialization failed" });
  });

  it("nft that is not installed is named", async () => {
    const error = await withPath("/nowhere", () => kernel.readTables().catch((e: unknown) => e));
    expect(error).toBeInstanceOf(KernelError);
    expect(error).toMatchObject({ missing: "nftables" });
  });
});

describe("the rules of the whole host", () => {
  const foreign = `table ip filter {
      set ports { type inet_proto . inet_service; elements = { tcp . 22, 47 . 1, 255 . 2 }; }
      map names { type inet_proto : verdict; elements = { icmp : accept, esp : drop }; }
      chain in { type filter hook input priority 0;
        ip protocol . th dport @ports accept
        ip protocol vmap @names
        meta l4proto { tcp, udp } th dport 53 counter accept
        ip protocol gre reject
        ct original protocol sctp drop
      }
    }`;

  it("read the same from one listing as table by table", async () => {
    nft("add table inet virtwall; add table bridge virtwall");
    await kernel.commit(script);
    expect(run(["nft", "-f", "-"], foreign)).toMatchObject({ status: 0, stderr: "" });
    const together = await readRuleset();
    expect(together.map(({ name }) => name)).toEqual(["virtwall", "virtwall", "filter"]);
    for (const table of together) {
      const listing: unknown = JSON.parse(nft("-j", "list", "table", table.family, table.name));
      expect([normalise(table)]).toEqual(readTables(listing));
    }
    nft("add table ip6 sleeps { flags dormant; }");
    const [sleeping] = (await readRuleset()).slice(-1);
    expect(sleeping).toMatchObject({ name: "sleeps", dormant: true });
    // That one has no chain.
    expect((await listTables()).map(({ family, name }) => `${family} ${name}`)).toEqual([
      "inet virtwall",
      "bridge virtwall",
      "ip filter",
      "ip6 sleeps",
    ]);
    // Stray memory, as nft 1.0.6 prints it in place of that flag where large sets are listed.
    const table = { family: "ip6", name: "sleeps", flags: [["10.0.0.1", 6, 80]] };
    expect(await withTrueFlags({ nftables: [{ table }] })).toEqual({
      nftables: [{ table: { ...table, flags: ["dormant"] } }],
    });
  });
});

describe("foreign tables", () => {
  it("are read with their rules, whatever their names are", async () => {
    nft(
      `add table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; jump sub; }; chain sub { drop; }; }`,
    );
    const names = ["accept", "inet", "drop", "table"];
    for (const name of names) {
      const chain = {
        family: "ip",
        table: name,
        name: "in",
        type: "filter",
        hook: "input",
        prio: 3,
        policy: "accept",
      };
      nft(
        "-j",
        JSON.stringify({
          nftables: [{ add: { table: { family: "ip", name } } }, { add: { chain } }],
        }),
      );
    }
    const foreign = await kernel.readForeign();
    expect(foreign.map(({ name }) => name).toSorted()).toEqual(["filter", ...names].toSorted());
    expect(foreign.find(({ name }) => name === "filter")?.chains).toEqual([
      {
        name: "FORWARD",
        hook: "forward",
        priority: 0,
        policy: "drop",
        rules: [{ handle: expect.any(Number), mayDrop: true }],
      },
    ]);
  });

  it("cost nothing for the elements of their sets", async () => {
    const elements = Array.from(
      { length: 100_000 },
      (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    );
    const text = `table inet big { set s { type ipv4_addr; elements = { ${elements.join(", ")} }; }
      chain in { type filter hook input priority 0; ip saddr @s drop; ip daddr vmap { 10.0.0.1 : accept }; }; }`;
    const { status, stderr } = run(["nft", "-f", "-"], text);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const elementsMs = await timed(() =>
      Promise.resolve(nft("-j", "list", "table", "inet", "big")),
    );
    // A busy machine gives it a few tries; with the elements it would take as long each time.
    await expect.poll(() => timed(() => kernel.readForeign())).toBeLessThan(elementsMs / 3);
    await expect(kernel.readForeign()).resolves.toMatchObject([
      { name: "big", chains: [{ rules: [{ mayDrop: true }, { mayDrop: false }] }] },
    ]);
  });

  it("can be read while others come and go", async () => {
    nft("add table inet stays { chain in { type filter hook input priority 0; }; }");
    const loop = `while :; do nft 'add table inet goes { chain in { type filter hook input priority 0; }; }'; nft delete table inet goes; done`;
    const churn = spawn("sh", ["-c", loop], { stdio: "ignore" });
    for (let i = 0; i < 30; i++) {
      const names = (await kernel.readForeign()).map(({ name }) => name);
      expect(names).toContain("stays");
    }
    const gone = new Promise((resolve) => churn.once("exit", resolve));
    churn.kill("SIGKILL");
    await gone;
  });
});
