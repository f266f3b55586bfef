import type { Family } from "../base/address.ts";
import type { Rule, Statement } from "../nft/ast.ts";
import type { SavedRule } from "../xtables/save.ts";
import {
  markOptions,
  matchOptions,
  type Option,
  unknownMatch,
  wholeMatches,
} from "./iptables-match.ts";
import { type IpSets, readSetMatch } from "./iptables-set.ts";
import { readTarget } from "./iptables-target.ts";

/** A rule of iptables in nft's words, which keeps its own. */
export interface TranslatedRule extends Rule {
  readonly saved: string;
}

export function isTranslated(rule: Rule): rule is TranslatedRule {
  return "saved" in rule;
}

/** What a rule may speak of beside the packet. */
export interface Reading {
  readonly family: Family;
  readonly sets: IpSets;
}

/**
 * A rule as the kernel's xtables reads it. What nobody here understands becomes a statement that may hold or not, or that leads out of
 * sight.
 */
export function translateRule({ text, words }: SavedRule, reading: Reading): TranslatedRule {
  const { matches, target } = partsOf(words);
  return {
    saved: text,
    statements: [
      ...matches.flatMap((match) => readMatch(match, reading)),
      ...readTarget(target, reading.family),
    ],
  };
}

/** `-m NAME` and its options; the first has no name, and what every rule may say. */
interface Match {
  readonly name: string;
  readonly words: string[];
}

function partsOf(words: readonly string[]): { matches: readonly Match[]; target: string[] } {
  const matches: Match[] = [{ name: "", words: [] }];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "-j" || word === "-g") return { matches, target: words.slice(i) };
    if (word === "-m") matches.push({ name: words[++i] ?? "", words: [] });
    // What people wrote may look like an option.
    else if (word === "--comment") i++;
    else matches.at(-1)?.words.push(word);
  }
  return { matches, target: [] };
}

function readMatch({ name, words }: Match, reading: Reading): readonly Statement[] {
  const whole =
    name === "set" ? readSetMatch(words, reading) : wholeMatches[name]?.(words, reading.family);
  if (whole !== undefined) return whole;
  const isWhole = name === "set" || Object.hasOwn(wholeMatches, name);
  const isSilent = words.length === 0 && name !== "" && !protocols.has(name);
  return isWhole || isSilent ? [unknownMatch(name)] : readOptions({ name, words }, reading.family);
}

/** Matches that ask nothing without options. */
const protocols = new Set(["tcp", "udp", "udplite", "icmp", "icmp6", "sctp", "dccp", "comment"]);

function readOptions({ name, words }: Match, family: Family): Statement[] {
  const statements: Statement[] = [];
  let isNegated = false;
  for (let i = 0; i < words.length;) {
    const word = words[i] ?? "";
    if (word === "!") {
      isNegated = true;
      i++;
      continue;
    }
    const reader = word === "--mark" ? markOptions[name] : matchOptions[word];
    const arity = reader?.arity ?? wordsUntilOption(words, i + 1);
    const option: Option = { values: words.slice(i + 1, i + 1 + arity), isNegated, family };
    statements.push(...(reader?.read(option) ?? [unknownMatch(name === "" ? word : name)]));
    isNegated = false;
    i += 1 + arity;
  }
  return statements;
}

function wordsUntilOption(words: readonly string[], from: number): number {
  const rest = words.slice(from);
  const next = rest.findIndex((word) => word.startsWith("-") || word === "!");
  return next < 0 ? rest.length : next;
}
