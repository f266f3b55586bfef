import type { Expression, Statement } from "./ast.ts";
import { selectorsOf } from "./selectors.ts";

type Reject = Extract<Statement, { kind: "reject" }>;

/**
 * A bare `reject` is "port unreachable" in the words of the packet's own protocol. Where a statement before it has settled that
 * protocol nft names it when it lists, otherwise it lists the bare word.
 */
export function withNamedRejects(statements: readonly Statement[]): Statement[] {
  return statements.map((statement, index) =>
    statement.kind === "reject" && isPortUnreachable(statement)
      ? nameReject(statement, statements.slice(0, index))
      : statement,
  );
}

function isPortUnreachable({ type, code }: Reject): boolean {
  return type === undefined || (type !== "tcp reset" && code === "port-unreachable");
}

function nameReject(reject: Reject, before: readonly Statement[]): Reject {
  const settled = before.flatMap(settledProtocol).at(0);
  if (settled !== undefined) return { kind: "reject", type: settled, code: "port-unreachable" };
  return reject.type === "icmpx" ? { kind: "reject" } : reject;
}

type IcmpName = "icmp" | "icmpv6";

const byProtocol: Readonly<Record<string, IcmpName>> = {
  ip: "icmp",
  icmp: "icmp",
  ip6: "icmpv6",
  icmpv6: "icmpv6",
};

const byConstant: Readonly<Record<string, IcmpName>> = {
  ipv4: "icmp",
  ip: "icmp",
  ipv6: "icmpv6",
  ip6: "icmpv6",
};

function settledProtocol(statement: Statement): IcmpName[] {
  const names = selectorsOf(statement).map((selector) => byProtocol[protocolOf(selector)]);
  if (statement.kind === "match" && statement.op === "==" && statement.right.kind === "value") {
    const { left, right } = statement;
    const isProtocol =
      (left.kind === "meta" && left.key === "nfproto") ||
      (left.kind === "payload" && left.protocol === "ether" && left.field === "type");
    if (isProtocol) names.push(byConstant[String(right.value)]);
  }
  return names.filter((name) => name !== undefined);
}

/** `ct original ip daddr` settles the protocol as `ip daddr` does. */
function protocolOf(selector: Expression): string {
  if (selector.kind === "payload") return selector.protocol;
  return selector.kind === "ct" ? (selector.key.split(" ")[0] ?? "") : "";
}
