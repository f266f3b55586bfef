/** What of ours firewalld knows bears this name or begins with it: one zone, and policies. */
export const firewalldName = "virtwall";

/** firewalld, asked and told over D-Bus. Every call may throw {@link FirewalldError}. */
export interface Firewalld {
  /** Undefined where it does not run. */
  read(): Promise<FirewalldFacts | undefined>;
  /** What was changed at run time only, in words: a reload takes it away. Interfaces in zones aside, which {@link carryOut} keeps. */
  readRunTimeOnly(): Promise<readonly string[]>;
  /** In order; what is done before a refusal stays done. */
  carryOut(steps: readonly FirewalldStep[]): Promise<void>;
  /** Calls back when firewalld comes, goes, has reloaded or was changed. The function returned ends it. */
  watch(listener: () => void): () => void;
  /** Ends the connection. */
  close(): void;
}

export interface FirewalldFacts {
  readonly defaultZone: string;
  /** What is in force now: zones in which something is, each zone's name, and policies of ours. */
  readonly active: ReadonlyMap<string, ZoneMembers>;
  readonly zones: readonly string[];
  readonly policies: ReadonlyMap<string, FirewalldPolicy>;
  /** What of ours is written down, and comes into force with the next reload or start. */
  readonly permanent: {
    readonly hasZone: boolean;
    readonly policies: ReadonlyMap<string, FirewalldPolicy>;
  };
}

export interface ZoneMembers {
  readonly interfaces: readonly string[];
  readonly sources: readonly string[];
}

/** A policy of firewalld: what happens to packets that go from one zone to another. */
export interface FirewalldPolicy {
  /** Zone names, or `ANY`, or `HOST`; sorted. */
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
  readonly target: string;
  /** Below 0: ahead of what the zones say. */
  readonly priority: number;
}

export type FirewalldStep =
  /** Written down, in force after a reload. */
  | { readonly kind: "add zone" }
  | { readonly kind: "write policy"; readonly name: string; readonly policy: FirewalldPolicy }
  | { readonly kind: "delete all" }
  | { readonly kind: "reload" }
  /** In force at once, until the next reload or start. */
  | {
      readonly kind: "set policy";
      readonly name: string;
      readonly policy: Pick<FirewalldPolicy, "ingress" | "egress">;
    }
  | { readonly kind: "bind"; readonly interface: string }
  | { readonly kind: "unbind"; readonly interface: string };

/** firewalld or the bus refused, in its own words, or did not answer. */
export class FirewalldError extends Error {
  override readonly name = "FirewalldError";
}
