import { spawn, spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { caseFolder } from "../world/case-folders.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { VirtwallOnHost } from "../world/virtwall-on-host.ts";
import { createWorld, type World } from "../world/world.ts";
import { buildPrograms, RunningDaemon } from "./daemon-program.ts";

/* Real packets on their way through the rules of a host on which the daemon runs. */

const { inventory } = caseFolder("publish");
const policy = `
networks: { front: { mode: nat } }
guests: { web1: { publish: [{ ports: ["tcp/8080:80"], address: 198.51.100.1 }] } }
`;
const admin = `table inet admin {
	chain forward {
		type filter hook forward priority -10; policy accept;
		udp dport 99 counter drop
	}
}
`;
const patience = { timeout: 60_000 };

let world: World;
let virtwall: VirtwallOnHost;
let running: RunningDaemon | undefined;

/** Less what counts. */
const listing = () => world.onHost(["nft", "-s", "list", "ruleset"]);
const tables = () => world.onHost(["nft", "list", "tables"]);
const heads = (text: string) => text.split("\n").filter((line) => /^\w/.test(line));
const sendUdp = (from: string, host: string, port: number) =>
  world.agent(from).attempt("udp", { host, port, timeoutMs: 100 });

/** Returns once packets are traced. */
async function trace(...words: readonly string[]): Promise<RunningDaemon> {
  running = virtwall.launch("trace", ...words);
  const { child } = running;
  await expect.poll(() => running?.output, patience).toMatch(/^tracing /m);
  expect(child.exitCode).toBe(null);
  return running;
}

/** As soon as enough packets came it ends by itself. */
async function traced(
  words: readonly string[],
  send: () => Promise<unknown>,
): Promise<readonly string[]> {
  const tracer = await trace(...words);
  await send();
  expect(await tracer.ended).toBe(0);
  return tracer.output.split("\n");
}

let before: string;

beforeAll(async () => {
  await buildPrograms();
  world = await createWorld(await readWorldSpec(inventory));
  await world.agent("web1").listen("tcp", 80);
  virtwall = new VirtwallOnHost(world, { policy, inventory });
  await world.onHost(["nft", "-f", "-"], admin);
  await virtwall.start();
  await virtwall.untilAtPeace();
});
beforeEach(async () => {
  before = await listing();
});
afterEach(async () => {
  running?.child.kill("SIGKILL");
  await running?.ended;
  await expect.poll(listing, patience).toBe(before);
  expect(virtwall.run("diff").status).toBe(0);
});
afterAll(async () => {
  virtwall?.clean();
  await world?.close();
});

test("a packet to a publication is shown with the rules that let it pass, and where it leads", async () => {
  const lines = await traced(["198.51.100.1:8080", "--count", "1"], () =>
    world.agent("world").attempt("tcp", { host: "198.51.100.1", port: 8080, timeoutMs: 250 }),
  );
  const text = lines.join("\n");
  expect(text).toMatch(
    /^tcp 198\.51\.100\.50:\d+ -> 198\.51\.100\.1:8080: delivered, out by vnet/m,
  );
  expect(text).toContain("  leads to 10.20.0.11 port 80\n");
  expect(text).toMatch(/^ {2}accept by rule 1 of inet virtwall pass \(virtwall\): /m);
});

test("what a rule of the admin's drops is dropped because of that rule", async () => {
  const lines = await traced(["guest:web1", "--count", "1"], () =>
    sendUdp("web1", "192.0.2.1", 99),
  );
  expect(lines[1]).toMatch(/^udp 10\.20\.0\.11:\d+ -> 192\.0\.2\.1:99: dropped$/);
  expect(lines[2]).toBe(
    "  because of rule 1 of inet admin forward (the admin): udp dport 99 counter drop",
  );
});

test("only packets that match are traced, and each is one object a line in JSON", async () => {
  const lines = await traced(["udp dport 77", "--count", "1", "--json"], async () => {
    await sendUdp("web1", "192.0.2.1", 99);
    await sendUdp("web2", "10.20.0.1", 77);
  });
  const packets = lines.filter((line) => line.startsWith("{"));
  expect(packets.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    {
      protocol: "udp",
      from: "10.20.0.12",
      to: "10.20.0.1",
      port: 77,
      verdict: "dropped",
      because: { family: "inet", table: "virtwall", chain: "input", owner: "virtwall" },
    },
  ]);
});

test("killed at once it leaves nothing, and nobody puts anything back", async () => {
  const tracer = await trace("guest:web1");
  const name = `virtwall-trace-${String(tracer.child.pid)}`;
  expect(await tables()).toContain(`table inet ${name}\ntable bridge ${name}\n`);
  expect(virtwall.run("diff").status).toBe(0);
  await tracer.kill("SIGKILL");
  await untilGone();
  expect(virtwall.status().gaps).toMatchObject({ tables: { count: 0 }, passRules: { count: 0 } });
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s ends it, and nothing of it is left",
  async (signal) => {
    // A guest asks for its neighbours by itself; of this nobody sends any.
    const tracer = await trace("udp dport 4 ip saddr 192.0.2.9");
    expect(await tables()).toContain("virtwall-trace-");
    // Who closes a terminal reads nothing more.
    expect(await tracer.kill(signal)).toBe(signal === "SIGHUP" ? null : 1);
    if (signal !== "SIGHUP") expect(tracer.output).toMatch(/^0 packets$/m);
    await untilGone();
  },
);

test("with the terminal it ends too", async () => {
  const command = virtwall.words("trace", "guest:web1").join(" ");
  const terminal = spawn("script", ["--quiet", "--flush", "--command", command, "/dev/null"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  running = new RunningDaemon(terminal);
  await expect.poll(() => running?.output, patience).toMatch(/^tracing /m);
  expect(await tables()).toContain("virtwall-trace-");
  await running.kill("SIGKILL");
  await untilGone();
});

/** Tables go with their owner, and nobody hears traces any more. */
async function untilGone(): Promise<void> {
  await expect.poll(tables, patience).not.toContain("trace");
  const listening = () => spawnSync("pgrep", ["-f", "nft -a monitor trace"]).status;
  await expect.poll(listening, patience).toBe(1);
}

test("the time ends it too, and without packets the exit status is 1", async () => {
  const tracer = await trace("udp dport 4 ip saddr 192.0.2.9", "--time", "1");
  expect(await tracer.ended).toBe(1);
  expect(heads(tracer.output)).toEqual([
    "tracing udp dport 4 ip saddr 192.0.2.9: 20 packets or 1 s at most",
    "0 packets",
  ]);
});

test.each([
  ["tcp dport 22 drop", "nft says Statement after terminal statement has no effect"],
  ["tcp dport 22 meta mark set 5", "only matches can be traced by"],
  ["tcp dport 22; flush ruleset", "one match after the other, no more"],
  ["tcp doort 22", "nft says syntax error"],
  ["guest:nobody", "there is no guest nobody that runs", 1],
  ["guest:wbe1", "there is no guest wbe1 that runs; did you mean web1?", 1],
  ["198.51.100.1:8081", "nothing is published at 198.51.100.1:8081", 1],
])("%s is refused, and nothing is changed", (words, reason, expected = 2) => {
  const { status, text } = virtwall.run("trace", words);
  expect(text).toContain(reason);
  expect(status).toBe(expected);
});
