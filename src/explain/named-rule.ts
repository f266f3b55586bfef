import type { Rule, Table } from "../nft/ast.ts";
import { printRule } from "../nft/print-statement.ts";
import { UnprintableText } from "../nft/text.ts";
import { isTranslated } from "./iptables-rule.ts";
import type { RulePlace, Step } from "./state.ts";
import { ownerOf } from "./table-owner.ts";

/** A rule of the listing, or the policy of a chain. */
export interface NamedRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** Whose table it is: `virtwall`, `libvirt`, `firewalld`, `Docker`, `iptables`, `the admin`. */
  readonly owner: string;
  /** Which rule of its chain, from 1; absent for the policy. */
  readonly number?: number;
  /** In nft's words, where this nft's AST has them; a rule that nft does not show whole in those of iptables-save. */
  readonly text?: string;
}

/** A rule that a packet came by, and what it said. */
export interface NamedStep extends NamedRule {
  readonly verdict: string;
}

/** The steps that took part in a verdict. */
export function pathOf(trail: readonly Step[]): NamedStep[] {
  return trail
    .filter(({ verdict }) => /^(accept|drop|reject|goto)/.test(verdict))
    .map((step) => ({ ...nameStep(step), verdict: step.verdict }));
}

export function nameStep({ table, chain, index }: Step): NamedRule {
  return index === undefined ? nameChain(table, chain) : nameRule({ table, chain, index });
}

export function nameChain(table: Table, chain: string): NamedRule {
  return { family: table.family, table: table.name, chain, owner: ownerOf(table, chain) };
}

export function nameRule({ table, chain, index }: RulePlace): NamedRule {
  const rule = table.chains.find(({ name }) => name === chain)?.rules[index];
  const text = rule === undefined ? undefined : textOf(rule);
  return {
    ...nameChain(table, chain),
    number: index + 1,
    ...(text !== undefined && { text }),
  };
}

/** Undefined for a rule that says what the AST has no words for. */
function textOf(rule: Rule): string | undefined {
  if (isTranslated(rule)) return rule.saved;
  try {
    return printRule(rule);
  } catch (error) {
    if (error instanceof UnprintableText) return undefined;
    throw error;
  }
}
