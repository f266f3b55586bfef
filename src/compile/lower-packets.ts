import type { Chain, Rule } from "../nft/ast.ts";
import {
  accept,
  equal,
  iifname,
  masked,
  notEqual,
  oifname,
  payload,
  raw,
  rule,
  value,
  vmap,
} from "../nft/build.ts";
import { isLaterFragment6 } from "./filter-headers.ts";
import type { Direction } from "./filter-rule.ts";
import { directions, type FilterShape } from "./filter-shape.ts";
import { answerRules, hasRoute, stampEndRules } from "./filter-state.ts";

/** In which some filter asks about packets. */
export function packetDirections(shapes: readonly FilterShape[]): Direction[] {
  return directions.filter((direction) =>
    shapes.some(({ packets }) => packets.includes(direction)),
  );
}

/** Behind br_netfilter (0) and the bridge's own connection tracking (-200), and behind what judges frames. */
const packetPriority = { from: 1, to: 301, end: 302 };

/** Where packets come to what filters say of them. */
export function packetHooks(shapes: readonly FilterShape[], shift: number): Chain[] {
  const answers = shapes.some(({ rejects }) => rejects) ? answerRules(shift) : undefined;
  const ways = packetDirections(shapes).map((direction): Chain => {
    const hook = direction === "from" ? "prerouting" : "postrouting";
    const port = direction === "from" ? iifname : oifname;
    return {
      name: `${hook}_packets`,
      base: { type: "filter", hook, priority: packetPriority[direction], policy: "accept" },
      rules: [
        ...(direction === "to" && answers !== undefined ? [answers.postrouting] : []),
        ...(direction === "to" ? laterFragments : []),
        rule(vmap(port, `packets_${direction}`)),
      ],
    };
  });
  return answers === undefined ? ways : [...ways, ...answerHooks(answers)];
}

type Answers = ReturnType<typeof answerRules>;

function answerHooks(answers: Answers): Chain[] {
  const priority = packetPriority.from;
  return (["forward", "output"] as const).map((hook) => ({
    name: `${hook}_packets`,
    base: { type: "filter", hook, priority, policy: "accept" },
    rules: answers[hook],
  }));
}

/**
 * What the host sends comes in fragments, of which the first alone is judged: without it the rest is nothing. What crosses a bridge is
 * whole where anything asks for its connection; elsewhere each fragment is judged for what can be read in it.
 */
const laterFragments: readonly Rule[] = [
  rule(
    notEqual(masked(raw("nh", 48, 16), value(0x1fff)), value(0)),
    equal(payload("ether", "type"), value("ip")),
    hasRoute,
    accept,
  ),
  rule(...isLaterFragment6, equal(payload("ether", "type"), value("ip6")), hasRoute, accept),
];

/** Where stamps are taken off. */
export function stampEnds(shift: number): Chain[] {
  const { input, postrouting } = stampEndRules(shift);
  return [
    {
      name: "stamp_input",
      base: { type: "filter", hook: "input", priority: packetPriority.from, policy: "accept" },
      rules: [input],
    },
    {
      name: "stamp_postrouting",
      base: { type: "filter", hook: "postrouting", priority: packetPriority.end, policy: "accept" },
      rules: [postrouting],
    },
  ];
}
