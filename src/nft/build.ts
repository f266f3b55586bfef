import type { Expression, Rule, Statement, Verdict } from "./ast.ts";

/** Short constructors for the AST, so that a rule in code reads in the order of the rule in nft. */

export const accept: Verdict = { kind: "accept" };
export const drop: Verdict = { kind: "drop" };
/** `return`, which is no name in TypeScript. */
export const leave: Verdict = { kind: "return" };
export const jump = (chain: string): Verdict => ({ kind: "jump", chain });
export const goto = (chain: string): Verdict => ({ kind: "goto", chain });

export const value = (text: string | number): Expression => ({ kind: "value", value: text });
export const meta = (key: string): Expression => ({ kind: "meta", key });
export const iifname = meta("iifname");
export const oifname = meta("oifname");
export const l4proto = meta("l4proto");
export const payload = (protocol: string, field: string): Expression => ({
  kind: "payload",
  protocol,
  field,
});
export const raw = (
  base: "ll" | "nh" | "th" | "ih",
  offset: number,
  length: number,
): Expression => ({
  kind: "raw",
  base,
  offset,
  length,
});
export const tcpOption = (option: number): Expression => ({ kind: "tcp option", option });
export const ct = (key: string, direction?: "original" | "reply"): Expression =>
  direction === undefined ? { kind: "ct", key } : { kind: "ct", key, direction };
export const concat = (...parts: readonly Expression[]): Expression => ({ kind: "concat", parts });
export const reference = (name: string): Expression => ({ kind: "reference", name });
export const flags = (...values: readonly string[]): Expression =>
  values.length === 1 ? value(values[0] ?? "") : { kind: "flags", values };
export const range = (first: string | number, last: string | number): Expression => ({
  kind: "range",
  first,
  last,
});
export const prefix = (address: string, length: number): Expression => ({
  kind: "prefix",
  address,
  length,
});
export const masked = (left: Expression, mask: Expression): Expression => ({
  kind: "&",
  left,
  right: mask,
});
export const anonymousSet = (...keys: readonly Expression[]): Expression => ({
  kind: "elements",
  elements: keys.map((key) => ({ key })),
});

export const equal = (left: Expression, right: Expression): Statement => ({
  kind: "match",
  op: "==",
  left,
  right,
});
export const notEqual = (left: Expression, right: Expression): Statement => ({
  kind: "match",
  op: "!=",
  left,
  right,
});
/** A flag match: `ct state established,related`. */
export const has = (left: Expression, right: Expression): Statement => ({
  kind: "match",
  op: "in",
  left,
  right,
});
export const vmap = (key: Expression, map: string): Statement => ({
  kind: "vmap",
  key,
  data: reference(map),
});

export const rule = (...statements: readonly Statement[]): Rule => ({ statements });
