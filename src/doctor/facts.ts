import type { Ground } from "../explain/walk.ts";
import type { Address } from "../base/address.ts";
import type { Mac } from "../base/mac.ts";
import type { Problem } from "../model/problem.ts";
import type { HostFacts } from "../ports/host-facts.ts";
import type { Ownership } from "../ports/kernel.ts";
import type { Desired } from "../reconcile/decide.ts";

/** What doctor judges by. */
export interface Facts extends HostFacts {
  /** What is to hold on this host. */
  readonly desired: Desired;
  /** Undefined where no daemon runs. */
  readonly ownership: Ownership | undefined;
  /** Everybody's rules and the host's network, for packets to be led through. */
  readonly ground: Ground;
  /** What is wrong with what is written. */
  readonly problems: readonly Problem[];
  /** How the kernel differs from what is desired, a change each. */
  readonly drift: readonly string[];
  /** Who answers for the firewall guest's addresses behind the WAN. */
  readonly answers: readonly InnerAnswer[];
}

export interface InnerAnswer {
  readonly bridge: string;
  readonly address: Address;
  /** The firewall guest's. */
  readonly mac: Mac;
  /** Whose answer came; absent: nobody's. */
  readonly answered?: string;
}

export type FactName = keyof Facts;

/** What was seen, or why nobody could look. */
export type Looked<T> = { readonly seen: T } | { readonly reason: string };

export type LookedFacts = { readonly [Name in FactName]?: Looked<Facts[Name]> };
