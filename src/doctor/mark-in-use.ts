import type { RoutingRule } from "../ports/host-facts.ts";
import type { XtablesListing } from "../ports/xtables.ts";
import { optionOf, type SavedRule } from "../xtables/save.ts";
import type { Examination, Finding } from "./examination.ts";

/** Our bit of the packet mark says "allowed". Whoever else sets it opens what he marks; whoever routes by it leads our packets astray. */
export const markInUse: Examination<"saves" | "routingRules" | "desired"> = {
  id: "mark-in-use",
  needs: ["saves", "routingRules", "desired"],
  examine({ saves, routingRules, desired }) {
    const bit = desired.policy.host.mark;
    const used = usedBits(saves, routingRules);
    const rules = saves.flatMap((save) => settersOf(save, bit));
    const routing = routingRules
      .filter(({ mark }) => mark !== undefined && covers(mark, bit))
      .map(({ family, text }) => `ip ${family === 6 ? "-6 " : ""}rule: ${text}`);
    const evidence = [...rules, ...routing];
    if (evidence.length === 0) return [];
    const finding: Finding = {
      severity: "warning",
      message: `others use 0x${bit.toString(16)} of the packet mark too`,
      evidence,
      fix: { text: `policy: host: { mark: 0x${another(bit, used).toString(16)} }` },
    };
    return [finding];
  },
};

/** Bits are compared without sign. */
function covers(value: number, bit: number): boolean {
  return (value & bit) >>> 0 !== 0;
}

/** One that nobody uses; where all are used, the one beside ours. */
function another(bit: number, used: number): number {
  const others = [0x20000000, 0x40000000, 0x10000000, 0x8000000, 0x4000000].filter(
    (each) => each !== bit,
  );
  return others.find((each) => !covers(used, each)) ?? others[0] ?? bit;
}

function usedBits(saves: readonly XtablesListing[], routing: readonly RoutingRule[]): number {
  const rules = saves.flatMap(({ tables }) =>
    tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules.map(markOf))),
  );
  return [...rules, ...routing.map(({ mark = 0 }) => mark)].reduce((all, each) => all | each, 0);
}

/** `--set-xmark VALUE/MASK`, as iptables-save prints every way to set a mark (xt_MARK of 1.8.9). */
function settersOf({ command, tables }: XtablesListing, bit: number): readonly string[] {
  return tables.flatMap((table) =>
    table.chains.flatMap((chain) =>
      chain.rules
        .filter((rule) => covers(markOf(rule), bit))
        .map((rule) => `${command} -t ${table.name} -A ${chain.name} ${rule.text}`),
    ),
  );
}

function markOf(rule: SavedRule): number {
  if (optionOf(rule, "-j") !== "MARK") return 0;
  return Number((optionOf(rule, "--set-xmark") ?? "0").split("/")[0]) || 0;
}
