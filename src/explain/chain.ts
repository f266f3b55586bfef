import type { Chain } from "../nft/ast.ts";
import type { Outcome, RuleEnd } from "./outcome.ts";
import { evaluateRule } from "./rule.ts";
import { type Context, isSameState, mergeStates, type State, type Step } from "./state.ts";

/** How the packet's way through the rules of one base chain may end. */
export interface Ended {
  readonly state: State;
  /** `unknown`: a statement that this evaluator does not know took the packet. */
  readonly verdict: "accept" | "drop" | "reject" | "unknown";
}

interface Passage {
  /** Came to the end of the chain, or to a `return`. */
  readonly returned: readonly State[];
  readonly ended: readonly Ended[];
}

/** The kernel takes no deeper nesting (NFT_JUMP_STACK_SIZE). */
const deepest = 16;

/** The packet in one base chain, its policy at last. */
export function runBaseChain(chain: Chain, states: readonly State[], context: Context): Ended[] {
  const { returned, ended } = runChain(chain.name, states, { context, depth: 0 });
  const policy = chain.base?.policy ?? "accept";
  const verdict = `policy ${policy}`;
  const left = returned.map((state) => ({
    state: withStep(state, { table: context.table, chain: chain.name, verdict, context }),
    verdict: policy,
  }));
  return [...ended, ...left];
}

function runChain(
  name: string,
  states: readonly State[],
  { context, depth }: { context: Context; depth: number },
): Passage {
  const chain = context.table.chains.find((candidate) => candidate.name === name);
  const passage: { returned: State[]; ended: Ended[] } = { returned: [], ended: [] };
  let live: readonly State[] = states;
  for (const [index, rule] of (chain?.rules ?? []).entries()) {
    const place = { table: context.table, chain: name, index };
    const next: State[] = [];
    for (const state of live) {
      for (const outcome of evaluateRule(rule, place, { state, context })) {
        follow(outcome, { place, context, depth, next, passage });
      }
    }
    live = merged(next);
    if (live.length === 0) break;
  }
  return { returned: merged([...passage.returned, ...live]), ended: mergedEnds(passage.ended) };
}

interface Following {
  readonly place: { readonly chain: string; readonly index: number };
  readonly context: Context;
  readonly depth: number;
  readonly next: State[];
  readonly passage: { readonly returned: State[]; readonly ended: Ended[] };
}

function follow({ state, end }: Outcome, following: Following): void {
  const { next, passage, context, depth } = following;
  if (end === "break") {
    next.push(state);
    return;
  }
  const { chain, index } = following.place;
  const after = withStep(state, {
    table: context.table,
    chain,
    index,
    verdict: wordOf(end),
    context,
  });
  if (end === "next") next.push(after);
  else if (end === "unknown") passage.ended.push({ state: after, verdict: "unknown" });
  else if (end.kind === "return") passage.returned.push(after);
  else if (end.kind === "jump" || end.kind === "goto") {
    if (depth >= deepest) return;
    const inner = runChain(end.chain, [after], { context, depth: depth + 1 });
    passage.ended.push(...inner.ended);
    (end.kind === "jump" ? next : passage.returned).push(...inner.returned);
  } else if (end.kind !== "continue") passage.ended.push({ state: after, verdict: end.kind });
}

function wordOf(end: Exclude<RuleEnd, "break">): string {
  if (end === "next") return "continue";
  if (end === "unknown") return end;
  return end.kind === "jump" || end.kind === "goto" ? `${end.kind} ${end.chain}` : end.kind;
}

function withStep(state: State, step: Step): State {
  return { ...state, trail: [...state.trail, step] };
}

/** Ways that came to the same are one from here on, so that their number does not grow with every doubt. */
function merged(states: readonly State[]): State[] {
  const distinct: State[] = [];
  for (const state of states) {
    const at = distinct.findIndex((other) => isSameState(other, state));
    const same = distinct[at];
    if (same === undefined) distinct.push(state);
    else distinct[at] = mergeStates(same, state);
  }
  return distinct;
}

function mergedEnds(ends: readonly Ended[]): Ended[] {
  const verdicts = new Set(ends.map(({ verdict }) => verdict));
  return [...verdicts].flatMap((verdict) => {
    const states = ends.filter((end) => end.verdict === verdict).map(({ state }) => state);
    return merged(states).map((state) => ({ state, verdict }));
  });
}
