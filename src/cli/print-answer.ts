import type { Answer } from "../explain/answer.ts";
import type { NamedRule } from "../explain/named-rule.ts";
import type { Words } from "./explain-words.ts";

/** An answer with what to do about it. */
export interface FixedAnswer extends Answer {
  readonly fix?: string;
}

/** What explain answers, for people. */
export function printAnswer(found: FixedAnswer, { protocol, from, to }: Words): string {
  const { verdict, way, detail, because, rewritten, path, fix } = found;
  const what = way === "there" ? `${protocol} ${from} -> ${to}` : `the answer of ${to} to ${from}`;
  const target =
    rewritten === undefined
      ? ""
      : `  leads to ${rewritten.address}${rewritten.port === undefined ? "" : ` port ${rewritten.port}`}\n`;
  const reason = detail === "" ? "" : `, ${detail}`;
  const decided = because === undefined ? "" : `  because of ${printRuleName(because)}\n`;
  const steps = path.map((step) => `  ${step.verdict} by ${printRuleName(step)}\n`);
  return `${what}: ${verdict}${reason}\n${decided}${fix === undefined ? "" : `  fix: ${fix}\n`}${target}${steps.join("")}`;
}

function printRuleName({ family, table, chain, number, owner, text }: NamedRule): string {
  const which = number === undefined ? "the policy" : `rule ${number}`;
  const words = text === undefined ? "" : `: ${text}`;
  return `${which} of ${family} ${table} ${chain} (${owner})${words}`;
}
