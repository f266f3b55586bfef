import { expect, test } from "vitest";

import { KernelError, type ForeignRule, type ForeignTable, type Kernel } from "../ports/kernel.ts";
import { FakeFirewalld } from "../ports/firewalld.fake.ts";
import { FakeXtables } from "../ports/xtables.fake.ts";
import type { XtablesChain } from "../ports/xtables.ts";
import { PassRuleKeeper } from "./pass-rules-keeper.ts";

const settings = { bridges: [], mark: 0x10000000, integration: "auto" } as const;

function table(name: string, rules: readonly ForeignRule[] = []): ForeignTable {
  return {
    family: "inet",
    name,
    chains: [{ name: "forward", hook: "forward", priority: 0, policy: "drop", rules }],
  };
}

/** Refuses what names a table of `refusals`. */
class ForeignKernel implements Pick<Kernel, "readForeign" | "commit"> {
  tables: readonly ForeignTable[] = [];
  readonly refusals = new Map<string, string>();
  readonly scripts: string[] = [];

  readForeign(): Promise<readonly ForeignTable[]> {
    return Promise.resolve(this.tables);
  }

  commit(script: string): Promise<void> {
    this.scripts.push(script);
    for (const [name, words] of this.refusals) {
      if (script.includes(` ${name} `)) return Promise.reject(new KernelError(words, { script }));
    }
    return Promise.resolve();
  }
}

function machine() {
  const kernel = new ForeignKernel();
  const xtables = new FakeXtables();
  const firewalld = new FakeFirewalld();
  return { kernel, xtables, firewalld, keeper: new PassRuleKeeper({ kernel, xtables, firewalld }) };
}

test("what was put shows as passed", async () => {
  const { kernel, xtables, keeper } = machine();
  kernel.tables = [table("a"), table("b")];
  xtables.listings.set("iptables-legacy", "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n");
  const outcome = await keeper.keep(settings);
  expect(outcome.isChanged).toBe(true);
  expect(outcome.report.map((line) => line.state)).toEqual(["passed", "passed", "passed"]);
  expect(kernel.scripts).toHaveLength(1);
  expect(xtables.scripts).toHaveLength(1);
  expect((await keeper.keep(settings)).report.at(-1)).toMatchObject({ state: "passed" });
  expect(xtables.scripts).toHaveLength(1);
});

test("an owned table costs one attempt, and the others get their rule all the same", async () => {
  const { kernel, keeper } = machine();
  kernel.tables = [table("firewalld"), table("mine")];
  kernel.refusals.set("firewalld", "Error: Could not process rule: Operation not permitted");
  const first = await keeper.keep(settings);
  expect(first.failures).toEqual([]);
  expect(first.report.map((line) => line.state)).toEqual(["owned", "passed"]);
  kernel.tables = [table("firewalld")];
  const attempts = kernel.scripts.length;
  const second = await keeper.keep(settings);
  expect(kernel.scripts).toHaveLength(attempts);
  expect(second.report.map((line) => line.state)).toEqual(["owned"]);
});

test("an owned table is tried again once it has changed, or was deleted and made anew", async () => {
  const { kernel, keeper } = machine();
  const state = async () => (await keeper.keep(settings)).report[0]?.state;
  const words = "Error: Could not process rule: Operation not permitted";
  for (const later of [
    { ...table("firewalld"), handle: 2 },
    { ...table("firewalld", [{ handle: 7, mayDrop: true }]), handle: 1 },
  ]) {
    kernel.refusals.set("firewalld", words);
    kernel.tables = [{ ...table("firewalld"), handle: 1 }];
    expect(await state()).toBe("owned");
    kernel.refusals.clear();
    expect(await state()).toBe("owned");
    kernel.tables = [later];
    expect(await state()).toBe("passed");
  }
});

test("a table that vanished in between is tried again the next time", async () => {
  const { kernel, keeper } = machine();
  kernel.tables = [table("gone")];
  kernel.refusals.set("gone", "No such file or directory");
  expect((await keeper.keep(settings)).failures).toEqual(["inet gone: No such file or directory"]);
  kernel.refusals.clear();
  expect((await keeper.keep(settings)).report[0]?.state).toBe("passed");
});

test("a table that appears between look and change gets its rule with the next look", async () => {
  const { kernel, keeper } = machine();
  kernel.tables = [table("a")];
  const commit = kernel.commit.bind(kernel);
  kernel.commit = (script) => {
    kernel.tables = [table("a"), table("late")];
    return commit(script);
  };
  await keeper.keep(settings);
  expect(kernel.scripts.join()).not.toContain("late");
  await keeper.keep(settings);
  expect(kernel.scripts.at(-1)).toContain("insert rule inet late forward");
});

test("iptables refusing to list keeps nobody's native chain from its rule", async () => {
  const { kernel, xtables, keeper } = machine();
  kernel.tables = [table("mine")];
  xtables.refusal = "iptables-save: Could not fetch rule set generation id";
  const outcome = await keeper.keep(settings);
  expect(outcome.failures).toEqual([xtables.refusal]);
  expect(outcome.report.map((line) => line.state)).toEqual(["passed"]);
});

test("nobody's native chain waits for what iptables says of its own tables, and none of theirs is touched before that", async () => {
  const { kernel, xtables, keeper } = machine();
  const chain = { name: "FORWARD", hook: "forward", priority: 0, policy: "drop" } as const;
  const theirs = { family: "ip", name: "filter", chains: [{ ...chain, rules: [] }] } as const;
  kernel.tables = [theirs, table("mine")];
  let answer: (chains: readonly XtablesChain[]) => void = () => undefined;
  xtables.read = () => new Promise((resolve) => (answer = resolve));
  const keeping = keeper.keep(settings);
  await expect.poll(() => kernel.scripts).toEqual([expect.stringContaining(" inet mine forward ")]);
  // It lists no such chain: somebody wrote it with nft.
  answer([]);
  const { report } = await keeping;
  expect(kernel.scripts.slice(1)).toEqual([expect.stringContaining(" ip filter FORWARD ")]);
  expect(report.map((line) => line.state)).toEqual(["passed", "passed"]);
});

test("the legacy variant alone is asked where no table looks like iptables'", async () => {
  const { kernel, xtables, keeper } = machine();
  kernel.tables = [table("mine")];
  xtables.read = () => Promise.reject(new Error("asked"));
  xtables.readLegacy = () => Promise.resolve([]);
  expect((await keeper.keep(settings)).failures).toEqual([]);
});

test("removal takes the rules of both kinds", async () => {
  const { kernel, xtables, keeper } = machine();
  const rule = { handle: 7, comment: "virtwall", mayDrop: false, passes: settings.mark };
  kernel.tables = [table("a", [rule])];
  const text = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n";
  xtables.listings.set("iptables", text);
  await keeper.keep(settings);
  expect(await keeper.remove()).toEqual([]);
  expect(kernel.scripts.at(-1)).toBe("delete rule inet a forward handle 7\n");
  expect(xtables.listings.get("iptables")).toBe(text);
});

test("off takes away what was put, and looks no more until it is put again", async () => {
  const { kernel, xtables, keeper } = machine();
  const ours = { handle: 7, comment: "virtwall", mayDrop: false, passes: settings.mark };
  kernel.tables = [table("a", [ours])];
  xtables.listings.set("iptables", "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n");
  await keeper.keep(settings);
  const off = { ...settings, integration: "off" } as const;
  expect(await keeper.keep(off)).toEqual({
    report: [],
    isChanged: true,
    isFirewalldTold: false,
    failures: [],
  });
  expect(kernel.scripts.at(-1)).toBe("delete rule inet a forward handle 7\n");
  expect(xtables.listings.get("iptables")).not.toContain("virtwall");
  const scripts = kernel.scripts.length;
  expect(await keeper.keep(off)).toEqual({
    report: [],
    isChanged: false,
    isFirewalldTold: false,
    failures: [],
  });
  await keeper.keep(settings);
  await keeper.keep(off);
  expect(kernel.scripts).toHaveLength(scripts + 1);
});
