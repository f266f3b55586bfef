import type { Family } from "../base/address.ts";
import type { Rule, Statement } from "../nft/ast.ts";
import type { SavedRule } from "../xtables/save.ts";
import {
  markOptions,
  matchOptions,
  type Option,
  type OptionReader,
  unknownMatch,
} from "./iptables-match.ts";
import { readTarget } from "./iptables-target.ts";

/** A rule of iptables in nft's words, which keeps its own. */
export interface TranslatedRule extends Rule {
  readonly saved: string;
}

export function isTranslated(rule: Rule): rule is TranslatedRule {
  return "saved" in rule;
}

/**
 * A rule as the kernel's xtables reads it. What nobody here understands becomes a statement that may hold or not, or that leads out of
 * sight.
 */
export function translateRule({ text, words }: SavedRule, family: Family): TranslatedRule {
  const at = words.findIndex((word) => word === "-j" || word === "-g");
  const matches = at < 0 ? words : words.slice(0, at);
  const target = at < 0 ? [] : words.slice(at);
  return {
    saved: text,
    statements: [...readMatches(matches, family), ...readTarget(target, family)],
  };
}

function readMatches(words: readonly string[], family: Family): Statement[] {
  const statements: Statement[] = [];
  let match = "";
  let isNegated = false;
  for (let i = 0; i < words.length;) {
    const word = words[i] ?? "";
    if (word === "!") {
      isNegated = true;
      i++;
      continue;
    }
    const reader = readerOf(word, match);
    const arity = reader?.arity ?? wordsUntilOption(words, i + 1);
    const values = words.slice(i + 1, i + 1 + arity);
    if (word === "-m") match = values[0] ?? "";
    const option: Option = { values, isNegated, family };
    statements.push(...(reader?.read(option) ?? [unknownMatch(match === "" ? word : match)]));
    isNegated = false;
    i += 1 + arity;
  }
  return statements;
}

function readerOf(word: string, match: string): OptionReader | undefined {
  return word === "--mark" ? markOptions[match] : matchOptions[word];
}

function wordsUntilOption(words: readonly string[], from: number): number {
  const rest = words.slice(from);
  const next = rest.findIndex((word) => word.startsWith("-") || word === "!");
  return next < 0 ? rest.length : next;
}
