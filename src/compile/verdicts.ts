import type { Rule, Statement } from "../nft/ast.ts";
import { accept, drop, meta, rule, value } from "../nft/build.ts";

/** Closed, and counted, so that a listing tells where packets end. */
export const refuse: readonly Statement[] = [{ kind: "counter" }, drop];

/** The verdict that every foreign chain's pass rule looks for. */
export function pass(mark: number): Rule {
  return rule(
    {
      kind: "mangle",
      key: meta("mark"),
      value: { kind: "|", left: meta("mark"), right: value(mark) },
    },
    accept,
  );
}
