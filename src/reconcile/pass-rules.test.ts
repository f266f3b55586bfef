import { describe, expect, test } from "vitest";

import type { ForeignChain, ForeignRule, ForeignTable } from "../ports/kernel.ts";
import { FakeXtables } from "../ports/xtables.fake.ts";
import { planPassRuleRemoval, planPassRules } from "./pass-rules.ts";

const mark = 0x10000000;
const passText = 'meta mark & 0x10000000 == 0x10000000 accept comment "virtwall"';

const pass = (handle: number, passes = mark): ForeignRule => ({
  handle,
  comment: "virtwall",
  mayDrop: false,
  passes,
});
const dropRule = (handle: number): ForeignRule => ({ handle, mayDrop: true });
const acceptRule = (handle: number): ForeignRule => ({ handle, mayDrop: false });

function chain(changes: Partial<ForeignChain> = {}): ForeignChain {
  return {
    name: "forward",
    hook: "forward",
    priority: 0,
    policy: "drop",
    rules: [],
    ...changes,
  };
}

function table(changes: Partial<ForeignTable> = {}): ForeignTable {
  return { family: "inet", name: "filter", chains: [chain()], ...changes };
}

function plan(foreign: readonly ForeignTable[], changes = {}) {
  return planPassRules({ foreign, xtables: [], mark, integration: "auto", ...changes });
}

function states(foreign: readonly ForeignTable[], changes = {}) {
  return plan(foreign, changes).report.map((line) => line.state);
}

describe("a table of a running trace", () => {
  const tracing = (changes: Partial<ForeignChain>) =>
    table({ name: "virtwall-trace-4711", owner: "node", chains: [chain(changes)] });

  test("is nobody's firewall", () => {
    expect(plan([tracing({ policy: "accept", rules: [acceptRule(2)] })]).report).toEqual([]);
  });

  test("is one where somebody else drops under its name", () => {
    expect(states([tracing({})])).toEqual(["owned"]);
  });
});

describe("in tables of nft", () => {
  test("a chain with policy drop gets the pass rule at its head", () => {
    const { nftScript, report } = plan([table()]);
    expect(nftScript).toBe(`insert rule inet filter forward ${passText}\n`);
    expect(report).toEqual([
      {
        by: "nft",
        firewalls: ["nftables"],
        family: "inet",
        table: "filter",
        chain: "forward",
        state: "needed",
        reason: "policy drop",
      },
    ]);
  });

  test.each<[string, ForeignChain, string]>([
    ["nothing drops", chain({ policy: "accept", rules: [acceptRule(2)] }), ""],
    ["it is there already", chain({ rules: [acceptRule(2), pass(3), dropRule(4)] }), ""],
    [
      "a hand-made one without our comment stands",
      chain({ rules: [{ handle: 2, mayDrop: false, passes: mark }, dropRule(3)] }),
      "",
    ],
    [
      "a rule drops behind an accepting policy",
      chain({ policy: "accept", rules: [dropRule(2)] }),
      `insert rule inet filter forward ${passText}\n`,
    ],
    [
      "it stands behind a rule that may drop",
      chain({ rules: [dropRule(2), pass(3)] }),
      `delete rule inet filter forward handle 3\ninsert rule inet filter forward ${passText}\n`,
    ],
    [
      "there are two",
      chain({ rules: [pass(2), pass(3), dropRule(4)] }),
      "delete rule inet filter forward handle 3\n",
    ],
    [
      "it carries an old mark",
      chain({ rules: [pass(2, 0x20000000)] }),
      `delete rule inet filter forward handle 2\ninsert rule inet filter forward ${passText}\n`,
    ],
    [
      "it carries an old mark where none is needed",
      chain({ policy: "accept", rules: [pass(2, 1)] }),
      "delete rule inet filter forward handle 2\n",
    ],
  ])("when %s", (_, given, expected) => {
    expect(plan([table({ chains: [given] })]).nftScript).toBe(expected);
  });

  test.each<[string, ForeignTable, string]>([
    ["prerouting", table({ chains: [chain({ hook: "prerouting" })] }), "before ours"],
    ["a lower priority", table({ chains: [chain({ priority: -150 })] }), "before ours"],
    ["our own priority", table({ chains: [chain({ priority: -5 })] }), "before ours"],
    ["a higher priority", table({ chains: [chain({ priority: -4 })] }), "needed"],
    [
      "the bridge family's filter",
      table({ family: "bridge", chains: [chain({ priority: -200 })] }),
      "needed",
    ],
    [
      "a bridge's input",
      table({ family: "bridge", chains: [chain({ hook: "input", priority: -200 })] }),
      "before ours",
    ],
    ["postrouting", table({ chains: [chain({ hook: "postrouting", priority: -150 })] }), "needed"],
    ["prerouting without a drop", table({ chains: [chain({ policy: "accept" })] }), "not needed"],
    [
      "libvirt's guest filters",
      table({ family: "bridge", name: "libvirt_nwfilter_inet" }),
      "left alone",
    ],
    [
      "ebtables' table",
      table({ family: "bridge", chains: [chain({ name: "FORWARD" })] }),
      "left alone",
    ],
    ["a name that ends the command", table({ name: "x; flush ruleset" }), "left alone"],
    ["an owned table", table({ owner: "firewalld" }), "owned"],
  ])("%s: %#", (_, given, expected) => {
    expect(states([given])).toEqual([expected]);
  });

  test("a table that belongs to another process is not tried again", () => {
    const given = table({ name: "firewalld" });
    const { nftScript, report } = plan([given], {
      owned: new Set(["inet firewalld"]),
    });
    expect(nftScript).toBe("");
    expect(report[0]).toMatchObject({
      state: "owned",
      reason: "owned by another process: nobody else can change it",
    });
  });

  test("print plans nothing and tells the line to type", () => {
    const { nftScript, report } = plan([table()], { integration: "print" });
    expect(nftScript).toBe("");
    expect(report[0]?.line).toBe(`nft 'insert rule inet filter forward ${passText}'`);
  });

  test("off looks at nothing", () => {
    expect(plan([table()], { integration: "off" })).toEqual({
      nftScript: "",
      tables: [],
      xtables: [],
      report: [],
    });
  });

  test("removal takes every rule with our comment, misplaced and old ones too", () => {
    const given = table({
      chains: [chain({ rules: [pass(2), { ...dropRule(3), comment: "virtwall?" }, pass(4, 1)] })],
    });
    expect(planPassRuleRemoval([given, table({ name: "other" })], []).nftScript).toBe(
      "delete rule inet filter forward handle 2\ndelete rule inet filter forward handle 4\n",
    );
  });
});

describe("in tables of iptables", () => {
  const iptables = (name = "filter"): ForeignTable => ({
    family: "ip",
    name,
    chains: [chain({ name: "FORWARD" })],
  });

  async function listed(...lines: readonly string[]) {
    const xtables = new FakeXtables();
    xtables.listings.set("iptables", ["*filter", ...lines, "COMMIT", ""].join("\n"));
    return xtables.read();
  }

  test("nothing native is planned where iptables lists the chain", async () => {
    const xtables = await listed(":FORWARD DROP [0:0]");
    const planned = plan([iptables()], { xtables });
    expect(planned.nftScript).toBe("");
    expect(planned.xtables).toEqual(xtables);
    expect(planned.report).toMatchObject([
      { by: "iptables", family: "ip", chain: "FORWARD", state: "needed", reason: "policy DROP" },
    ]);
  });

  test("a table that iptables cannot list is nft's", () => {
    expect(plan([iptables()]).nftScript).toContain("insert rule ip filter FORWARD");
  });

  test("a table stays untouched while iptables cannot be asked", () => {
    expect(states([iptables()], { xtables: undefined })).toEqual(["left alone"]);
  });

  test("the mangle table is changed by nobody", () => {
    const mangle = iptables("mangle");
    const late = { ...mangle, chains: [chain({ name: "POSTROUTING", hook: "postrouting" })] };
    expect(states([late])).toEqual(["left alone"]);
  });

  const rule = "-m mark --mark 0x10000000/0x10000000 -m comment --comment virtwall -j ACCEPT";

  test.each<[string, readonly string[], string]>([
    ["ahead of the drop", [`-A FORWARD ${rule}`, "-A FORWARD -j DROP"], "passed"],
    ["behind the drop", ["-A FORWARD -j DROP", `-A FORWARD ${rule}`], "needed"],
    ["twice", [`-A FORWARD ${rule}`, `-A FORWARD ${rule}`], "needed"],
    ["behind a jump that only accepts", ["-A FORWARD -j ACCEPT", `-A FORWARD ${rule}`], "passed"],
    ["ahead of guest filters", [`-A FORWARD ${rule}`, "-A FORWARD -j libvirt-in"], "needed"],
    ["behind guest filters", ["-A FORWARD -j libvirt-in", `-A FORWARD ${rule}`], "passed"],
    [
      "between drop and guest filters",
      ["-A FORWARD -j DROP", "-A FORWARD -j libvirt-in"],
      "left alone",
    ],
  ])("the rule stands %s", async (_, lines, expected) => {
    const xtables = await listed(":FORWARD DROP [0:0]", ":libvirt-in - [0:0]", ...lines);
    expect(plan([], { xtables }).report.map((line) => line.state)).toEqual([expected]);
  });

  test("print tells the iptables command", async () => {
    const xtables = await listed(":FORWARD DROP [0:0]");
    expect(plan([], { xtables, integration: "print" }).report[0]?.line).toBe(
      `iptables -I FORWARD 1 ${rule}`,
    );
  });
});
