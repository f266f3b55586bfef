import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { watchRuleset } from "../../src/edge/nft/monitor.ts";
import type { KernelEvent } from "../../src/ports/kernel.ts";
import { nft, run } from "./gate-program.ts";

let events: KernelEvent[] = [];
let endWatch: () => void = () => undefined;

beforeEach(() => {
  nft("flush", "ruleset");
  events = [];
});
afterEach(() => {
  endWatch();
  nft("flush", "ruleset");
});

const losses = (): number => events.filter(({ kind }) => kind === "lost").length;
/** Listening for sure: that is said by a first `lost`. */
async function watch(): Promise<void> {
  endWatch = watchRuleset((event) => events.push(event));
  await expect.poll(losses).toBe(1);
}
const tables = (): string[] =>
  events.flatMap((event) => (event.kind === "changed" ? event.tables.map(({ name }) => name) : []));

/** The `nft monitor` that this process started. */
function monitorPid(): number {
  const children = readdirSync("/proc/self/task").flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean),
  );
  const pid = children.find((child) => readFileSync(`/proc/${child}/comm`, "utf8") === "nft\n");
  if (pid === undefined) throw new Error("no nft runs");
  return Number(pid);
}

describe("watching the ruleset", () => {
  it("tells of each transaction once, with its tables and who made it", async () => {
    await watch();
    nft("add table inet t; add chain inet t c; add table bridge u");
    await expect.poll(() => events.length).toBe(2);
    expect(events[1]).toEqual({
      kind: "changed",
      tables: [
        { family: "inet", name: "t" },
        { family: "bridge", name: "u" },
      ],
      process: { pid: expect.any(Number), name: "nft" },
    });
  });

  it("tells of a flush of the ruleset", async () => {
    nft("add table inet t; add chain inet t c; add rule inet t c accept");
    await watch();
    nft("flush", "ruleset");
    await expect.poll(tables).toEqual(["t"]);
  });

  it("says what was lost when the child dies, and goes on", async () => {
    await watch();
    process.kill(monitorPid(), "SIGKILL");
    await expect.poll(losses).toBe(3);
    nft("add table inet later");
    await expect.poll(tables).toEqual(["later"]);
  });

  it("says so when events were lost because the child was too slow", async () => {
    await watch();
    const pid = monitorPid();
    process.kill(pid, "SIGSTOP");
    const rules = Array.from(
      { length: 20_000 },
      () => "add rule inet t c ip saddr 10.0.0.1 counter drop",
    );
    for (let i = 0; i < 3; i++) {
      run(["nft", "-f", "-"], `add table inet t\nadd chain inet t c\n${rules.join("\n")}\n`);
    }
    process.kill(pid, "SIGCONT");
    await expect.poll(losses).toBeGreaterThan(1);
  });

  it("leaves no child behind when it ends", async () => {
    await watch();
    endWatch();
    await expect.poll(() => attempt(monitorPid)).toBe("no nft runs");
  });
});

function attempt(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
}
