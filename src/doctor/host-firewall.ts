import type { ForeignTable } from "../ports/kernel.ts";
import type { XtablesChain } from "../ports/xtables.ts";
import { judgedBridges } from "../reconcile/judged-bridges.ts";
import { planPassRules, type PassRulePlan, type PassRuleReport } from "../reconcile/pass-rules.ts";
import { planFirewalld } from "../reconcile/plan-firewalld.ts";
import type { MendingStep } from "../ports/mender.ts";
import { printPassRules } from "../xtables/pass-rule.ts";
import type { Examination, Finding, Fix } from "./examination.ts";

/** A chain of somebody else drops what virtwall allows, and our pass rule is not in it. */
export const hostFirewall: Examination<Names> = {
  id: "host-firewall",
  needs: ["foreign", "xtables", "firewalld", "desired"],
  examine(facts) {
    const { foreign, xtables, firewalld, desired } = facts;
    const { mark, integration } = desired.policy.host;
    if (integration === "off") return { reason: "host.integration is off" };
    const bridges = judgedBridges(desired);
    if (desired.compiled.intent.networks.length === 0) return [];
    const zones = firewalld === undefined ? [] : planFirewalld(firewalld, bridges).report;
    const told = planPassRules({ foreign, xtables, mark, integration: "print" }).report;
    const plan = planPassRules({ foreign, xtables, mark, integration });
    // Of firewalld's own table its zones tell.
    const others = told.filter(({ state, table }) => state !== "owned" || table !== ownTable);
    return [...(firewalld === undefined ? told : others), ...zones].flatMap((line) => {
      const finding = findingOf(line, foreign);
      if (finding === undefined || line.state !== "needed" || integration === "print") {
        return finding ?? [];
      }
      return { ...finding, fix: withSteps(finding.fix, stepsOf(line, plan, mark)) };
    });
  },
};

type Names = "foreign" | "xtables" | "firewalld" | "desired";

const ownTable = "firewalld";

function findingOf(line: PassRuleReport, foreign: readonly ForeignTable[]): Finding | undefined {
  const chain = `${line.by === "nft" ? line.family : line.by} ${line.table} ${line.chain}`;
  const evidence = [`${chain}: ${line.reason ?? line.state}`];
  switch (line.state) {
    case "needed": {
      if (line.by === "firewalld") return ofZone(line);
      const text = line.line ?? "";
      const message = `${chain} drops what guests may, and lets marked packets through nowhere`;
      return { severity: "error", message, evidence, fix: { text } };
    }
    case "before ours": {
      if (!hasDropPolicy(line, foreign)) return undefined;
      const message = `${chain} drops ahead of virtwall, where no packet can be marked yet`;
      const text = `give ${chain} the priority filter, or let guests' packets pass in it`;
      return { severity: "error", message, evidence, fix: { text } };
    }
    case "owned": {
      const message = `${chain} may drop what guests may, and only its owner can change it`;
      const text = "let marked packets pass by the owner's own settings";
      return { severity: "warning", message, evidence, fix: { text } };
    }
    case "passed":
    case "not needed":
    case "left alone":
      return undefined;
  }
}

/** `table` is the zone. */
function ofZone({ table, chain, reason, line }: PassRuleReport): Finding {
  return {
    severity: "error",
    message: `firewalld lets guests on ${chain} through nowhere`,
    evidence: [`bridge ${chain}, zone ${table}: ${reason ?? "firewalld was not told"}`],
    fix: { text: line ?? "start virtwall's daemon, which tells firewalld" },
  };
}

/** Single rules ahead of ours drop what somebody wanted dropped. */
function hasDropPolicy(line: PassRuleReport, foreign: readonly ForeignTable[]): boolean {
  const table = foreign.find(({ family, name }) => family === line.family && name === line.table);
  return (
    table?.chains.some(({ name, policy }) => name === line.chain && policy === "drop") === true
  );
}

function withSteps(fix: Fix, steps: readonly MendingStep[]): Fix {
  return steps.length === 0 ? fix : { ...fix, steps };
}

/** What the daemon would do; chains of one table or command share a step. */
function stepsOf(line: PassRuleReport, plan: PassRulePlan, mark: number): readonly MendingStep[] {
  if (line.by === "firewalld") return [];
  if (line.by === "nft") {
    return plan.tables
      .filter(({ family, name }) => family === line.family && name === line.table)
      .map(({ script }) => ({ kind: "nft", script }));
  }
  const command: XtablesChain["command"] = line.by;
  const chains = plan.xtables.filter((chain) => chain.command === command);
  return [{ kind: "iptables", command, script: printPassRules(chains, mark) }];
}
