import { asTagged, isObject, type Json } from "../nft/json.ts";
import type { Host } from "./host.ts";
import type { Step } from "./state.ts";

/** Where a rule hands packets to a program in user space, to one of these queues. */
export interface Queue {
  readonly first: number;
  readonly last: number;
  /** What nobody takes goes on as accepted. */
  readonly mayBypass: boolean;
}

/** As nft lists a `queue`; undefined for one that is computed. */
export function readQueue(json: Json): Queue | undefined {
  const { num = 0, flags } = isObject(json) ? json : {};
  const { range } = isObject(num) ? num : { range: [num, num] };
  const [first, last]: readonly Json[] = Array.isArray(range) ? range : [];
  if (typeof first !== "number" || typeof last !== "number") return undefined;
  return { first, last, mayBypass: [flags].flat().includes("bypass") };
}

/** Whether a program takes what comes to one of the queues at least: which of them it comes to the kernel alone knows. */
export function isRead({ first, last }: Queue, host: Host): boolean {
  const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return numbers.some((number) => host.reads(number));
}

export function nameQueue({ first, last }: Queue): string {
  return first === last ? `queue ${first}` : `queues ${first} to ${last}`;
}

/** The queue to which a step hands the packet. */
export function queueOf({ table, chain, index }: Step): Queue | undefined {
  const rule = table.chains.find(({ name }) => name === chain)?.rules[index ?? -1];
  for (const statement of rule?.statements ?? []) {
    if (statement.kind !== "unknown") continue;
    const [tag, value] = asTagged(JSON.parse(statement.json) as Json) ?? [];
    if (tag === "queue") return readQueue(value);
  }
  return undefined;
}
