import type { Family } from "../base/address.ts";

/** Numbers from `first` to `last`. */
export interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

/** An address, or another number of as many bits, of which is known where it is not: that of anybody beyond the default route. */
export interface Outsider {
  readonly family: Family;
  /** Ascending, with gaps between them. */
  readonly elsewhere: readonly Interval[];
}

/** A number, or what is known of one. */
export type Known = bigint | Outsider | "unknown";

/**
 * What a load puts into the kernel's register: a number, in network order for fields of the packet; `unknown`, where it depends on
 * what was not said or on what this evaluator does not understand; `absent`, where the kernel gives up and the rule does not match.
 */
export type Loaded = Known | "absent";

/** Whether a rule matches, as far as one can know. */
export type Answer = "yes" | "no" | "maybe";

export function answerOf(isYes: boolean): Answer {
  return isYes ? "yes" : "no";
}

export function opposite(answer: Answer): Answer {
  if (answer === "maybe") return "maybe";
  return answer === "yes" ? "no" : "yes";
}

/** One must hold. */
export function some(answers: readonly Answer[]): Answer {
  if (answers.includes("yes")) return "yes";
  return answers.includes("maybe") ? "maybe" : "no";
}

const nameBytes = 16;

/** An interface name as the kernel compares it: its bytes, filled up with zeros. No interface is 0. */
export function nameBits(name: string): bigint {
  let bits = 0n;
  for (let i = 0; i < nameBytes; i++) bits = (bits << 8n) | BigInt(name.charCodeAt(i) || 0);
  return bits;
}

/** The names that begin so, as the interval of their bits. */
export function nameInterval(beginning: string): { first: bigint; last: bigint } {
  const first = nameBits(beginning);
  const free = BigInt(8 * (nameBytes - beginning.length));
  return { first, last: first | ((1n << free) - 1n) };
}
