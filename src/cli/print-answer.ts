import type { Answer } from "../explain/answer.ts";
import type { NamedRule } from "../explain/named-rule.ts";
import type { Origin } from "../explain/origin.ts";
import type { Hidden } from "../explain/shadowed.ts";
import type { Words } from "./explain-words.ts";

/** An answer with what to do about it. */
export interface FixedAnswer extends Answer {
  readonly fix?: string;
  readonly hidden?: Hidden;
  readonly origin?: Origin;
}

/** What explain answers, for people. */
export function printAnswer(found: FixedAnswer, { protocol, from, to }: Words): string {
  const { verdict, way, detail, because, rewritten, path, fix, hidden, origin } = found;
  const what = way === "there" ? `${protocol} ${from} -> ${to}` : `the answer of ${to} to ${from}`;
  const reason = detail === "" ? "" : `, ${detail}`;
  const place = origin?.file === undefined ? "" : `, ${origin.file}:${String(origin.line)}`;
  const lines = [
    ...(because === undefined ? [] : [`because of ${printRuleName(because)}${place}`]),
    ...(fix === undefined ? [] : [`fix: ${fix}`]),
    ...(rewritten === undefined ? [] : [`leads to ${printTarget(rewritten)}`]),
    ...(hidden === undefined
      ? []
      : [`hides the host's own ${hidden.service}; to reach that: ${hidden.fix}`]),
    ...path.map((step) => `${step.verdict} by ${printRuleName(step)}`),
  ];
  return [`${what}: ${verdict}${reason}`, ...lines.map((line) => `  ${line}`), ""].join("\n");
}

function printTarget({ address, port }: NonNullable<Answer["rewritten"]>): string {
  return port === undefined ? address : `${address} port ${String(port)}`;
}

function printRuleName({ family, table, chain, number, owner, text }: NamedRule): string {
  const which = number === undefined ? "the policy" : `rule ${number}`;
  const words = text === undefined ? "" : `: ${text}`;
  return `${which} of ${family} ${table} ${chain} (${owner})${words}`;
}
