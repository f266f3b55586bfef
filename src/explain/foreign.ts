import { asTagged, isObject, type Json } from "../nft/json.ts";

/** What a statement does that virtwall itself never says, and that the AST keeps as nft's JSON. */
export type ForeignStatement =
  /** Nothing that a verdict depends on. */
  | { readonly kind: "nothing" }
  | { readonly kind: "notrack" }
  /** The rule goes on or ends here. */
  | { readonly kind: "may end"; readonly reason: string }
  /** The packet's fate is out of sight. */
  | { readonly kind: "unknown"; readonly reason: string };

export function readForeignStatement(json: string): ForeignStatement {
  const [tag = "", value] = asTagged(JSON.parse(json)) ?? [];
  if (idle.has(tag)) return { kind: "nothing" };
  if (tag === "notrack") return { kind: "notrack" };
  const reason = reasons[tag];
  if (reason !== undefined) return { kind: "may end", reason };
  if (tag === "xt") return readXt(value);
  return { kind: "unknown", reason: `the statement ${tag}` };
}

const idle = new Set([
  "counter",
  "log",
  "last",
  "ct helper",
  "ct timeout",
  "ct expectation",
  "flow",
]);

const reasons: Readonly<Record<string, string>> = {
  limit: "a limit",
  quota: "a quota",
  "ct count": "the number of flows",
  match: "a match",
  set: "a set with statements of its own",
  meter: "a meter",
};

/** A match or target of iptables, of which nft shows the name alone. */
function readXt(value: Json): ForeignStatement {
  const { type, name } = isObject(value) ? value : {};
  const reason = `the ${String(type)} ${String(name)} of iptables`;
  if (type === "match") {
    return name === "comment" ? { kind: "nothing" } : { kind: "may end", reason };
  }
  return name === "LOG" || name === "NFLOG" || name === "TRACE"
    ? { kind: "nothing" }
    : { kind: "unknown", reason };
}
