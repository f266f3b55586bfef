import type { Expression, Statement } from "./ast.ts";
import { mentions } from "./selectors.ts";

/**
 * nft adds a match on the protocol in front of a payload field, and hides it again when it lists, whoever wrote it: after
 * `ether type ip iifname . ip saddr @x` it lists `iifname . ip saddr @x`. Both load to the same rule, so the normal form has the
 * short one.
 */
export function withoutImpliedMatches(statements: readonly Statement[]): Statement[] {
  return statements.filter((statement, index) => {
    const implied = protocolsImplying(statement);
    if (implied === undefined) return true;
    return !isImplied(statements.slice(index + 1), implied);
  });
}

/**
 * nft hides the match even where a statement with an effect of its own, such as `log`, stands between; without the match that
 * would then happen to more packets, so there the normal form keeps it.
 */
function isImplied(later: readonly Statement[], implication: Implication): boolean {
  const next = later.find(
    (statement) => statement.kind !== "match" || uses(statement, implication),
  );
  return next !== undefined && uses(next, implication);
}

/** Protocols that make nft add exactly this match by itself. */
interface Implication {
  /** Of a header field. */
  readonly payloads: ReadonlySet<string>;
  /** In whose words a `reject` speaks: one of ICMP implies IPv4, and not that the packet is ICMP. */
  readonly rejects: ReadonlySet<string>;
}

function protocolsImplying(statement: Statement): Implication | undefined {
  if (statement.kind !== "match" || statement.op !== "==" || statement.right.kind !== "value") {
    return undefined;
  }
  const layer = layerOf(statement.left);
  const payloads =
    layer === undefined ? undefined : implications[layer]?.[String(statement.right.value)];
  if (payloads === undefined) return undefined;
  return { payloads, rejects: layer === "l4proto" ? new Set() : payloads };
}

type Layer = "ether" | "nfproto" | "l4proto";

const implications: Readonly<Record<Layer, Readonly<Record<string, ReadonlySet<string>>>>> = {
  ether: {
    ip: new Set(["ip", "icmp"]),
    ip6: new Set(["ip6", "icmpv6"]),
    arp: new Set(["arp"]),
  },
  nfproto: {
    ipv4: new Set(["ip", "icmp"]),
    ipv6: new Set(["ip6", "icmpv6"]),
  },
  l4proto: {
    tcp: new Set(["tcp"]),
    udp: new Set(["udp"]),
    icmp: new Set(["icmp"]),
    "ipv6-icmp": new Set(["icmpv6"]),
  },
};

function layerOf(left: Expression): Layer | undefined {
  if (left.kind === "meta" && (left.key === "nfproto" || left.key === "l4proto")) return left.key;
  if (left.kind !== "payload") return undefined;
  return left.protocol === "ether" && left.field === "type" ? "ether" : undefined;
}

function uses(statement: Statement, { payloads, rejects }: Implication): boolean {
  if (statement.kind === "reject") return rejects.has(statement.type ?? "");
  return mentions(statement, payloads);
}
