import type { Alias, GroupRule } from "../model/policy.ts";
import type { Rule, Statement, Verdict } from "../nft/ast.ts";
import { peerMatches, serviceMatches } from "./matches.ts";

export interface RuleForm {
  /** The end of a packet at which the rule's peers are. */
  readonly end: "saddr" | "daddr";
  readonly verdict: Verdict;
  readonly logPrefix: string;
  readonly comment: string;
}

/** A rule of policy, as the rules that together match any of its peers and services. */
export function lowerRule(
  { peers, services, limit, log, verdict }: GroupRule,
  aliases: ReadonlyMap<string, Alias>,
  form: RuleForm,
): Rule[] {
  const limits: Statement[] = limit
    ? [{ kind: "limit", rate: limit.count, per: limit.per, burst: 5 }]
    : [];
  const logs: Statement[] = log ? [{ kind: "log", prefix: form.logPrefix }] : [];
  const counters: Statement[] = verdict === "deny" ? [{ kind: "counter" }] : [];
  return peerMatches(peers, form.end, aliases).flatMap((peer) =>
    serviceMatches(services).map((service) => ({
      statements: [...peer, ...service, ...limits, ...logs, ...counters, form.verdict],
      comment: form.comment,
    })),
  );
}
