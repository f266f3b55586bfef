import {
  isPacketProtocol,
  type RandomFilter,
  type RandomFilters,
  type RandomRule,
} from "./random-filter.ts";

/*
 * What libvirt makes of a filter, said in virtwall's meaning of the language. This is the whole list of rules whose meaning differs;
 * docs/nwfilter.md gives the reasons.
 *
 * - A drop, reject or return of packets holds in both directions in libvirt, in the other one with source and destination swapped,
 *   unless the rule names a type of ICMP.
 * - A rule for both directions that names a type of ICMP is no rule at all in libvirt.
 * - A frame that meets no verdict in a chain other than root is accepted in libvirt, and root's later rules never see it: that is
 *   the standard policy of a chain in ebtables(8). A chain without a rule for the direction is not there.
 * - Rules of packets look into no tag in either, and virtwall refuses tagged frames ahead of them, unless a rule names VLAN.
 */
export function asLibvirtMeans(filters: RandomFilters): RandomFilters {
  return filters.map((filter) => ({
    ...filter,
    rules: [...filter.rules.flatMap(meaningOf), ...chainEnds(filter), namesVlan],
  }));
}

/** It decides nothing. */
const namesVlan: RandomRule = {
  action: "continue",
  direction: "inout",
  protocol: "vlan",
  fields: [],
};

function chainEnds({ chain, rules }: RandomFilter): RandomRule[] {
  if (chain === "root") return [];
  const frames = rules.filter(({ protocol }) => !isPacketProtocol(protocol));
  return (["in", "out"] as const)
    .filter((way) => frames.some(({ direction }) => direction === way || direction === "inout"))
    .map((direction) => ({ action: "accept", direction, fields: [], priority: 1000 }));
}

function meaningOf(rule: RandomRule): RandomRule[] {
  if (!isPacketProtocol(rule.protocol)) return [rule];
  const hasType = rule.fields.some(({ attributes }) => "type" in attributes);
  if (rule.direction === "inout") return hasType ? [] : [rule];
  if (rule.action === "accept" || hasType) return [rule];
  const direction = rule.direction === "in" ? "out" : "in";
  return [rule, { ...rule, direction, fields: rule.fields.map(swapped) }];
}

function swapped(field: RandomRule["fields"][number]): RandomRule["fields"][number] {
  const attributes = Object.entries(field.attributes).map(([name, value]) => [
    name.startsWith("src") ? `dst${name.slice(3)}` : name.replace(/^dst/, "src"),
    value,
  ]);
  return { ...field, attributes: Object.fromEntries(attributes) as Record<string, string> };
}
