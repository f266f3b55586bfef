import type { Expression, Statement } from "./ast.ts";

/** The selectors a statement decides by, in order, those inside concatenations, masks and map lookups included. */
export function selectorsOf(statement: Statement): Expression[] {
  switch (statement.kind) {
    case "match":
      return flatten(statement.left);
    case "vmap":
    case "set":
      return flatten(statement.key);
    case "dnat":
    case "snat":
      return statement.address === undefined ? [] : flatten(statement.address);
    default:
      return [];
  }
}

/** The statement decides by a field of one of these protocols. */
export function mentions(statement: Statement, protocols: ReadonlySet<string>): boolean {
  return selectorsOf(statement).some(
    (selector) =>
      (selector.kind === "payload" && protocols.has(selector.protocol)) ||
      (selector.kind === "tcp option" && protocols.has("tcp")),
  );
}

function flatten(expression: Expression): Expression[] {
  switch (expression.kind) {
    case "concat":
      return expression.parts.flatMap(flatten);
    case "map":
      return flatten(expression.key);
    case "|":
    case "&":
    case "^":
      return flatten(expression.left);
    default:
      return [expression];
  }
}
