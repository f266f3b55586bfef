import { createSocket } from "node:dgram";
import { copyFileSync, mkdtempSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GateClient, openGateSocket } from "../../src/edge/nft/gate-client.ts";
import { buildGate, newSocket, nft, run, startGate, type RunningGate } from "./gate-program.ts";

const script = `add chain inet virtwall c { type filter hook output priority 0; policy accept; }
add rule inet virtwall c ip daddr 127.0.0.1 counter accept
add map inet virtwall m { type ipv4_addr : verdict; counter; }
add element inet virtwall m { 10.0.0.1 : drop }
`;

let command: readonly string[] = [];
let gates: RunningGate[] = [];

const start = async (socket?: string): Promise<RunningGate> => {
  const gate = await startGate(command, socket);
  gates.push(gate);
  return gate;
};
/** With handles and counters. */
const everything = (): string => nft("-a", "list", "table", "inet", "virtwall");

/** One datagram over the loopback interface. */
function sendPacket(): Promise<void> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.send("x", 9, "127.0.0.1", () => socket.close(() => resolve()));
  });
}

/** All that the server sends until it ends the connection. */
function exchange(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const connection = connect(path, () => connection.write(request));
    connection.on("data", (chunk) => {
      answer += chunk.toString();
    });
    connection.once("error", reject).once("end", () => resolve(answer));
  });
}

beforeAll(async () => {
  command = await buildGate();
});
beforeEach(() => void nft("flush", "ruleset"));
afterEach(async () => {
  await Promise.all(gates.map((gate) => gate.kill("SIGKILL")));
  gates = [];
  nft("flush", "ruleset");
});

describe("tables that the gate owns", () => {
  it("survive 60 flushes of the ruleset by another process, rules and elements unchanged", async () => {
    const { client } = await start();
    await client.ask({ kind: "commit", script });
    const before = everything();
    for (let i = 0; i < 60; i++) {
      nft("add", "table", "inet", "foreign");
      nft("flush", "ruleset");
      expect(nft("list", "tables")).not.toContain("foreign");
    }
    expect(everything()).toBe(before);
  });

  it.each([
    "delete table inet virtwall",
    "flush table inet virtwall",
    "add rule inet virtwall c drop",
    "insert rule inet virtwall c drop",
    "flush chain inet virtwall c",
    "add chain inet virtwall d",
    "delete element inet virtwall m { 10.0.0.1 }",
    "add table inet virtwall { flags dormant; }",
  ])("take no change from others: %s", async (change) => {
    const { client } = await start();
    await client.ask({ kind: "commit", script });
    const before = everything();
    expect(() => nft(change)).toThrow(/not permitted|not supported/);
    expect(everything()).toBe(before);
  });

  it("outlive a gate killed with -9, and the next one adopts them without rewriting anything", async () => {
    const first = await start();
    await first.client.ask({ kind: "commit", script });
    await sendPacket();
    const before = everything();
    expect(before).toMatch(/counter packets [1-9]/);
    await first.kill("SIGKILL");
    const withoutFlags = (text: string): string => text.replace(/ progname .*|\n\tflags.*/g, "");
    expect(withoutFlags(everything())).toBe(withoutFlags(before));
    const second = await start(first.socket);
    const status = await second.client.ask({ kind: "status" });
    expect(status.tables.map(({ owned }) => owned)).toEqual([true, true]);
    expect(withoutFlags(everything())).toBe(withoutFlags(before));
    nft("flush", "ruleset");
    expect(withoutFlags(everything())).toBe(withoutFlags(before));
  });

  it("stay when the gate is asked to end", async () => {
    const gate = await start();
    await gate.client.ask({ kind: "commit", script });
    await gate.kill("SIGTERM");
    expect(gate.child.exitCode).toBe(0);
    expect(everything()).toContain("10.0.0.1 counter packets 0 bytes 0 : drop");
  });

  it("are gone when that is asked for", async () => {
    const { client } = await start();
    await client.ask({ kind: "commit", script });
    await client.ask({ kind: "remove" });
    expect(nft("list", "tables")).toBe("");
    const { tables } = await client.ask({ kind: "adopt" });
    expect(tables.every(({ owned }) => owned)).toBe(true);
  });
});

describe("the seal", () => {
  const seal = { kind: "commit", script: "", seal: "these" } as const;
  const add = (chain: string) =>
    ({ kind: "commit", script: `add chain inet virtwall ${chain}\n` }) as const;

  it("is taken from nobody beside whom another has changed the tables", async () => {
    const { client, socket } = await start();
    await client.ask(add("a"));
    expect((await client.ask(seal)).seal).toBe("these");
    const other = new GateClient(() => openGateSocket(socket));
    expect((await other.ask({ kind: "status" })).seal).toBe("these");
    await other.ask(add("b"));
    expect((await client.ask(seal)).seal).toBeUndefined();
    await client.ask(add("c"));
    expect((await client.ask(seal)).seal).toBeUndefined();
    other.close();
    const later = new GateClient(() => openGateSocket(socket));
    expect((await later.ask(seal)).seal).toBe("these");
    later.close();
  });
});

describe("a second gate", () => {
  it("refuses a socket that is served", async () => {
    const { socket } = await start();
    const { status, stderr } = run([...command, "gate", "--socket", socket]);
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr: `virtwall gate: ${socket} is already served\n`,
    });
  });

  it("refuses to start on another socket as well", async () => {
    await start();
    const { status, stderr } = run([...command, "gate", "--socket", newSocket()]);
    expect(status).toBe(3);
    expect(stderr).toContain("table inet virtwall belongs to another process");
    expect(run([...command, "gate", "--once"]).status).toBe(3);
  });

  it("replaces what a dead one left of its socket, whose folder and file are root's alone", async () => {
    const first = await start();
    await first.kill("SIGKILL");
    expect(statSync(first.socket).isSocket()).toBe(true);
    const { client, socket } = await start(first.socket);
    expect((await client.ask({ kind: "status" })).pid).toBe(gates[1]?.child.pid);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
  });
});

describe("a commit that is refused", () => {
  it.each([
    [
      "a word nft does not know",
      "add rule inet virtwall c nonsense foo",
      /line 5:.*\n.*nonsense foo/,
    ],
    [
      "a chain that is not there",
      "add rule inet virtwall c jump nowhere",
      /line 5:.*\n.*jump nowhere/,
    ],
    ["a table that is not there", "add chain inet nowhere c", /line 5:.*\n.*inet nowhere/],
  ])("changes nothing and shows the line at fault: %s", async (_, line, words) => {
    const { client } = await start();
    await expect(client.ask({ kind: "commit", script: `${script}${line}\n` })).rejects.toThrow(
      words,
    );
    expect(nft("list", "chains", "inet")).not.toContain("chain c");
    await client.ask({ kind: "commit", script });
  });

  it("names the same line where the gate has left one out", async () => {
    const { client } = await start();
    const bad = "add table inet virtwall\nadd table bridge virtwall\nadd chain inet nowhere c\n";
    await expect(client.ask({ kind: "commit", script: bad })).rejects.toThrow(/line 3:/);
  });
});

describe("where the tables cannot be owned", () => {
  it("a plain table with rules is left as it is, with the reason, and commits work", async () => {
    nft("add table inet virtwall; add chain inet virtwall theirs");
    const { client } = await start();
    const { tables } = await client.ask({ kind: "status" });
    expect(tables).toEqual([
      expect.objectContaining({
        family: "inet",
        owned: false,
        reason: expect.stringMatching(/without an owner/),
      }),
      { family: "bridge", name: "virtwall", owned: true },
    ]);
    await client.ask({ kind: "commit", script: `add table inet virtwall\n${script}` });
    expect(everything()).toContain("chain theirs");
    nft("flush", "ruleset");
    const after = await client.ask({ kind: "adopt" });
    expect(after.tables.every(({ owned }) => owned)).toBe(true);
  });

  it("an empty plain table is replaced by an owned one", async () => {
    nft("add table bridge virtwall");
    const { client } = await start();
    const { tables } = await client.ask({ kind: "status" });
    expect(tables.every(({ owned }) => owned)).toBe(true);
  });
});

describe("the gate's program", () => {
  it("with --once answers its input and leaves tables that persist", () => {
    const requests = [
      { id: 1, kind: "commit", script },
      { id: 2, kind: "status" },
    ];
    const input = requests.map((request) => `${JSON.stringify(request)}\n`).join("");
    const { status, stdout } = run([...command, "gate", "--once"], input);
    expect(status).toBe(0);
    const replies = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(replies).toMatchObject([
      { id: 1, kind: "done" },
      { id: 2, kind: "done" },
    ]);
    expect(everything()).toContain("10.0.0.1");
  });

  it("ends a connection that does not speak its protocol, and serves the others", async () => {
    const { client, socket } = await start();
    for (const junk of ["{}\n", "GET / HTTP/1.1\n", '{"id":1,"kind":"commit"}\n']) {
      expect(JSON.parse(await exchange(socket, junk))).toMatchObject({ kind: "refused" });
    }
    await expect(client.ask({ kind: "status" })).resolves.toMatchObject({ protocol: 1 });
  });

  it("needs root: status 3 and one line", () => {
    const { status, stderr } = run([
      "setpriv",
      "--reuid",
      "65534",
      "--clear-groups",
      ...command,
      "gate",
    ]);
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr: "virtwall gate: only root may change the ruleset\n",
    });
  });

  it("names what is missing: status 3 and one line", () => {
    const folder = mkdtempSync("/run/nowhere-");
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    copyFileSync(command[1] ?? "", join(folder, "gate.js"));
    const { status, stderr } = run([process.execPath, join(folder, "gate.js"), "gate", "--once"]);
    expect(status).toBe(3);
    expect(stderr).toBe(
      "virtwall gate: the npm package koffi is not installed; run `npm install`\n",
    );
  });

  it("takes no other options: status 2", () => {
    expect(run([...command, "gate", "--nonsense"]).status).toBe(2);
  });
});
