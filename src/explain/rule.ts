import { unreachable } from "../base/unreachable.ts";
import type { Expression, Rule, Statement, Verdict } from "../nft/ast.ts";
import { isVerdict } from "../nft/print-expression.ts";
import { flagsOfConstant, intervalOfConstant, matchesKey } from "./constant.ts";
import { evaluate, lookUpKey, namedSet, type Scope, typesOf } from "./evaluate.ts";
import { type Proxy, readForeignStatement } from "./foreign.ts";
import { askedTime, loadStatus } from "./load.ts";
import { groupMatches } from "./joined-matches.ts";
import { mangle } from "./mangle.ts";
import { translate } from "./nat.ts";
import type { Outcome } from "./outcome.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import { isRead, nameQueue, type Queue } from "./queue.ts";
import { isTaken } from "./socket.ts";
import type { Context, Doubt, RulePlace, State } from "./state.ts";
import { type Answer, answerOf, type Loaded, opposite, some } from "./value.ts";

/** All ways in which the rule may go for the packet: one, where everything is known that it asks. */
export function evaluateRule(
  rule: Rule,
  place: RulePlace,
  { state, context }: { state: State; context: Context },
): Outcome[] {
  let live = [state];
  const outcomes: Outcome[] = [];
  for (const group of groupMatches(rule.statements)) {
    const results = live.flatMap((each) => runGroup(group, { state: each, context }, place));
    live = results.filter(({ end }) => end === "next").map((result) => result.state);
    outcomes.push(...results.filter(({ end }) => end !== "next"));
  }
  return [...outcomes, ...live.map((each) => ({ state: each, end: "next" as const }))];
}

function runGroup(group: readonly Statement[], scope: Scope, place: RulePlace): Outcome[] {
  const [first, ...more] = group;
  if (first === undefined) return [];
  if (more.length === 0) return run(first, scope, place);
  const answers = group.map((one) => (one.kind === "match" ? match(one, scope) : "maybe"));
  const isUndisputed = new Set(answers).size === 1;
  return fork(isUndisputed ? (answers[0] ?? "maybe") : "maybe", scope.state, {
    place,
    reason: "what nft made of two fields beside each other that must both differ",
  });
}

function run(statement: Statement, scope: Scope, place: RulePlace): Outcome[] {
  const { state } = scope;
  if (isVerdict(statement)) {
    return [{ state, end: statement.kind === "continue" ? "next" : statement }];
  }
  switch (statement.kind) {
    case "match":
      return fork(match(statement, scope), state, { place, reason: reasonOf(statement) });
    case "vmap":
      return runVmap(statement, scope, place);
    case "set":
      return runSet(statement, scope, place);
    case "mangle":
      return mangle(statement, scope, place);
    case "dnat":
    case "snat":
    case "masquerade":
    case "redirect":
      return translate(statement, scope, place);
    default:
      return runPlain(statement, scope, place);
  }
}

function reasonOf({ left }: Match): string {
  const isOfTime = left.kind === "meta" && (left.key === "day" || left.key.startsWith(askedTime));
  return isOfTime ? "its match, and on which time zone the kernel has" : "its match";
}

type Plain = Extract<Statement, { kind: "counter" | "log" | "limit" | "reject" | "unknown" }>;

function runPlain(statement: Plain, scope: Scope, place: RulePlace): Outcome[] {
  const { state } = scope;
  switch (statement.kind) {
    case "counter":
    case "log":
      return [{ state, end: "next" }];
    case "limit":
      return fork("maybe", state, { place, reason: "a limit" });
    case "reject":
      return [{ state, end: mayReject(statement, state.packet) ? statement : "break" }];
    case "unknown":
      return runForeign(statement.json, scope, place);
    default:
      return unreachable(statement);
  }
}

/** nft puts a match on the protocol ahead of a `reject` in its words, unsaid. */
function mayReject({ type }: Extract<Statement, { kind: "reject" }>, packet: Packet): boolean {
  switch (type) {
    case "icmp":
      return familyOfPacket(packet) === 4;
    case "icmpv6":
      return familyOfPacket(packet) === 6;
    case "tcp reset":
      return packet.protocol === 6;
    default:
      return true;
  }
}

function fork(answer: Answer, state: State, doubt: Doubt): Outcome[] {
  if (answer !== "maybe") return [{ state, end: answer === "yes" ? "next" : "break" }];
  const doubting = { ...state, doubts: [...state.doubts, doubt] };
  return [
    { state: doubting, end: "next" },
    { state: doubting, end: "break" },
  ];
}

function runForeign(json: string, scope: Scope, place: RulePlace): Outcome[] {
  const { state } = scope;
  const foreign = readForeignStatement(json);
  switch (foreign.kind) {
    case "nothing":
      return [{ state, end: "next" }];
    case "notrack":
      return [{ state: untracked(state), end: "next" }];
    case "queue":
      return [handOver(foreign.queue, scope, place)];
    case "proxy":
      return runProxy(foreign.proxy, scope, place);
    case "may end":
      return fork("maybe", state, { place, reason: foreign.reason });
    case "unknown":
      return [outOfSight(state, { place, reason: foreign.reason })];
    default:
      return unreachable(foreign);
  }
}

function outOfSight(state: State, doubt: Doubt): Outcome {
  return { state: { ...state, doubts: [...state.doubts, doubt] }, end: "unknown" };
}

/** What no program takes the kernel drops, or lets pass where the rule says so (nf_queue.c). */
function handOver(queue: Queue, { state, context }: Scope, place: RulePlace): Outcome {
  if (!isRead(queue, context.host)) {
    return { state, end: { kind: queue.mayBypass ? "accept" : "drop" } };
  }
  const reason = `what the program at ${nameQueue(queue)} says, to which it is handed`;
  return outOfSight(state, { place, reason });
}

/** The packet stays what it is; whose it is decides once routing has led it to the host. */
function runProxy(proxy: Proxy, { state, context }: Scope, place: RulePlace): Outcome[] {
  const missed = (from: State): Outcome => ({
    state: from,
    end: proxy.otherwise === "drop" ? { kind: "drop" } : "break",
  });
  if (isTaken(proxy, state.packet, context) === "no") return [missed(state)];
  const doubt = { place, reason: "whether who listens there takes what is for others" };
  const doubting = { ...state, doubts: [...state.doubts, doubt] };
  const taken = { ...doubting, packet: { ...state.packet, hasSocket: true } };
  return [{ state: taken, end: "next" }, missed(doubting)];
}

/** Nothing happens to a packet that is tracked already (nft_notrack_eval). */
function untracked(state: State): State {
  if (state.packet.tracking !== "ahead") return state;
  return { ...state, packet: { ...state.packet, tracking: "skipped" } };
}

type Match = Extract<Statement, { kind: "match" }>;

function match({ op, left, right }: Match, scope: Scope): Answer {
  const types = typesOf(left);
  if (op === "in") return matchFlags(left, right, scope);
  const fields = evaluate(left, types, scope);
  if (fields.includes("absent")) return isOptionMissing(left, right) ? "maybe" : "no";
  if (op === "==" || op === "!=") {
    const isEqual = equals({ left, right, fields }, types, scope);
    return op === "==" ? isEqual : opposite(isEqual);
  }
  const [field] = fields;
  const constant = intervalOfConstant(right, types[0] ?? "integer");
  if (typeof field !== "bigint" || constant === undefined) return "maybe";
  return answerOf(compare(op, field, constant.first));
}

function compare(op: "<" | ">" | "<=" | ">=", left: bigint, right: bigint): boolean {
  switch (op) {
    case "<":
      return left < right;
    case ">":
      return left > right;
    case "<=":
      return left <= right;
    case ">=":
      return left >= right;
    default:
      return unreachable(op);
  }
}

/** `ct state established,related`: one of the flags is set. */
function matchFlags(left: Expression, right: Expression, scope: Scope): Answer {
  const [type = "integer"] = typesOf(left);
  const wanted = flagsOfConstant(right, type);
  if (wanted === undefined) return "maybe";
  const isStatus = left.kind === "ct" && left.key === "status";
  const [loaded = "unknown"] = isStatus
    ? [loadStatus(wanted, scope.state.packet)]
    : evaluate(left, [type], scope);
  if (loaded === "absent") return "no";
  return typeof loaded === "bigint" ? answerOf((loaded & wanted) !== 0n) : "maybe";
}

function equals(
  { left, right, fields }: { left: Expression; right: Expression; fields: readonly Loaded[] },
  types: readonly string[],
  scope: Scope,
): Answer {
  if (isPresence(right)) {
    const [field] = fields;
    return typeof field !== "bigint"
      ? "maybe"
      : answerOf((field !== 0n) === (right.value === "exists"));
  }
  if (right.kind === "elements" || right.kind === "reference") {
    const { candidates, mayMiss } = lookUpKey(left, right, scope);
    if (candidates.length === 0) return mayMiss ? "no" : "maybe";
    return mayMiss ? "maybe" : "yes";
  }
  if (isComputed(right)) {
    const [other] = evaluate(right, types, scope);
    const [field] = fields;
    return typeof field === "bigint" && typeof other === "bigint"
      ? answerOf(field === other)
      : "maybe";
  }
  return some([matchesKey(right, fields, types)]);
}

/** nft 1.0.6 does not list that such a rule asks for TCP first, nor that it does not. */
function isOptionMissing(left: Expression, right: Expression): boolean {
  return left.kind === "tcp option" && right.kind === "value" && right.value === "missing";
}

type Value = Extract<Expression, { kind: "value" }>;

/** fib's and exthdr's `exists` and `missing`. */
function isPresence(right: Expression): right is Value {
  return right.kind === "value" && (right.value === "exists" || right.value === "missing");
}

function isComputed(right: Expression): boolean {
  return ["meta", "ct", "payload", "fib", "&", "^", "map", "unknown"].includes(right.kind);
}

/** Every way that the lookup may go, each verdict once. */
function runVmap(
  { key, data }: Extract<Statement, { kind: "vmap" }>,
  scope: Scope,
  place: RulePlace,
): Outcome[] {
  const { state } = scope;
  const { candidates, mayMiss } = lookUpKey(key, data, scope);
  const isCertain = candidates.length + (mayMiss ? 1 : 0) === 1;
  const doubt = { place, reason: "its lookup" };
  const after = isCertain ? state : { ...state, doubts: [...state.doubts, doubt] };
  const verdicts = new Map<string, Verdict | undefined>(
    candidates.map((element) => {
      const verdict =
        element.data !== undefined && isVerdict(element.data) ? element.data : undefined;
      return [JSON.stringify(verdict), verdict];
    }),
  );
  const outcomes = [...verdicts.values()].map((verdict): Outcome => {
    if (verdict === undefined) return { state: after, end: "unknown" };
    return { state: after, end: verdict.kind === "continue" ? "next" : verdict };
  });
  if (outcomes.length === 0 && !mayMiss) return [{ state: after, end: "unknown" }];
  return mayMiss ? [...outcomes, { state: after, end: "break" }] : outcomes;
}

function runSet(
  { op, set, key, over }: Extract<Statement, { kind: "set" }>,
  scope: Scope,
  place: RulePlace,
): Outcome[] {
  const { state, context } = scope;
  const fields = evaluate(key, typesOf(key), scope);
  if (fields.includes("absent")) return [{ state, end: "break" }];
  const change = { table: context.table, set, op, key: fields };
  const changed = { ...state, sets: [...state.sets, change] };
  if (over !== undefined) {
    return fork("maybe", changed, { place, reason: `how many connections ${set} counts` });
  }
  const definition = namedSet({ kind: "reference", name: set }, context);
  if (op === "delete" || definition?.unknown?.includes('"size"') !== true) {
    return [{ state: changed, end: "next" }];
  }
  // A full set takes nothing more, and the rule ends there.
  const doubt = { place, reason: `whether ${set} is full` };
  const isNearlyFull = definition.elements.length > 0;
  return isNearlyFull ? fork("maybe", changed, doubt) : [{ state: changed, end: "next" }];
}
