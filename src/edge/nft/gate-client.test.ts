import { expect, test } from "vitest";
import { KernelError } from "../../ports/kernel.ts";
import { printFrame } from "../../wire/frame.ts";
import { gateProtocol } from "../../wire/gate-protocol.ts";
import { GateClient, type GateStream } from "./gate-client.ts";

const deadlines = { askMs: 60, changeMs: 400 };
const status = { protocol: gateProtocol, version: "0", pid: 7, tables: [] };

/** A gate that answers each request after so many milliseconds, or never. */
class ScriptedGate {
  opened = 0;
  readonly kinds: string[] = [];
  readonly delays: (number | "never")[];

  constructor(...delays: (number | "never")[]) {
    this.delays = delays;
  }

  readonly open = (): Promise<GateStream> => {
    this.opened++;
    let hear: (chunk: Uint8Array) => void = () => undefined;
    let tellEnd: () => void = () => undefined;
    return Promise.resolve({
      send: (text) => {
        const { id, kind } = JSON.parse(text) as { id: number; kind: string };
        this.kinds.push(kind);
        const delay = this.delays.shift() ?? 0;
        if (delay === "never") return;
        setTimeout(() => hear(Buffer.from(printFrame({ id, kind: "done", status }))), delay);
      },
      close: () => tellEnd(),
      onEnd: (listener) => (tellEnd = listener),
      onData: (listener) => (hear = listener),
    });
  };
}

test("a gate that says nothing is a refusal, told once its time is over and not asked twice", async () => {
  const gate = new ScriptedGate("never");
  const client = new GateClient(gate.open, deadlines);
  const asked = client.ask({ kind: "status" });
  await expect(asked).rejects.toThrow(new KernelError("the gate does not answer"));
  expect(gate.kinds).toEqual(["status"]);
});

test("the next request opens a new stream, and a late answer on the old one does no harm", async () => {
  const gate = new ScriptedGate(90, 30);
  const client = new GateClient(gate.open, deadlines);
  await expect(client.ask({ kind: "status" })).rejects.toThrow("does not answer");
  expect((await client.ask({ kind: "adopt" })).pid).toBe(7);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect((await client.ask({ kind: "status" })).pid).toBe(7);
  expect(gate.opened).toBe(2);
});

test("a commit may take longer, and what waits behind it is not counted meanwhile", async () => {
  const gate = new ScriptedGate(150, 160);
  const client = new GateClient(gate.open, deadlines);
  const answers = [client.ask({ kind: "commit", script: "x" }), client.ask({ kind: "status" })];
  expect(await Promise.all(answers)).toHaveLength(2);
  gate.delays.push("never");
  const commit = client.ask({ kind: "commit", script: "y" });
  await expect(commit).rejects.toMatchObject({ message: "the gate does not answer", script: "y" });
});
