/**
 * nft's language as values, in nft(8)'s own words. A table here is in normal form: what `nft list` shows of it, less what the
 * kernel counts or numbers by itself (handles, packet counts, owner). Two tables are the same ruleset exactly if their normal
 * forms are deeply equal, the order of sets and chains aside. `normalise` brings any table into it.
 */

export type TableFamily = "ip" | "ip6" | "inet" | "bridge" | "arp" | "netdev";

export interface Table {
  readonly family: TableFamily;
  readonly name: string;
  readonly sets: readonly SetDefinition[];
  readonly chains: readonly Chain[];
  /** All its base chains are switched off (`flags dormant`); only somebody else's hand does that to a table of ours. */
  readonly dormant?: true;
}

/** A named set, or with `data` a named map. */
export interface SetDefinition {
  readonly name: string;
  /** nft datatypes of the key, one a field: `["ipv4_addr", "inet_proto", "inet_service"]`. */
  readonly type: readonly string[];
  /** nft datatypes of the value, or `["verdict"]`. */
  readonly data?: readonly string[];
  /** Says the key's types where they have no name, as those of raw payload; for printing only, since nft does not list it in JSON. */
  readonly keyLike?: Expression;
  /** The most elements that it takes. */
  readonly size?: number;
  readonly flags: readonly SetFlag[];
  /** Each element counts its matches. */
  readonly counter: boolean;
  readonly elements: readonly Element[];
  /** Properties this reader does not know (size, timeout, comment ...), as nft's JSON. Never printed. */
  readonly unknown?: string;
}

export type SetFlag = "constant" | "interval" | "timeout" | "dynamic";

export interface Element {
  readonly key: Expression;
  readonly data?: Expression | Verdict;
  /** Seconds until it is forgotten, in a set with that flag. */
  readonly timeout?: number;
  /** As {@link SetDefinition.unknown}. */
  readonly unknown?: string;
}

export interface Chain {
  readonly name: string;
  readonly base?: BaseChain;
  readonly rules: readonly Rule[];
}

export interface BaseChain {
  readonly type: "filter" | "nat" | "route";
  readonly hook:
    "prerouting" | "input" | "forward" | "output" | "postrouting" | "ingress" | "egress";
  readonly priority: number;
  readonly policy: "accept" | "drop";
}

export interface Rule {
  readonly statements: readonly Statement[];
  readonly comment?: string;
}

export type Verdict =
  | { readonly kind: "accept" }
  | { readonly kind: "drop" }
  | { readonly kind: "return" }
  | { readonly kind: "continue" }
  | { readonly kind: "jump"; readonly chain: string }
  | { readonly kind: "goto"; readonly chain: string };

export type Statement =
  | Verdict
  | {
      readonly kind: "match";
      /** `in`: the flags on the right are among those on the left (`ct state established,related`). */
      readonly op: "==" | "!=" | "<" | ">" | "<=" | ">=" | "in";
      readonly left: Expression;
      readonly right: Expression;
    }
  /** The counts themselves are the kernel's. */
  | { readonly kind: "counter" }
  | { readonly kind: "vmap"; readonly key: Expression; readonly data: Expression }
  | {
      readonly kind: "dnat" | "snat";
      readonly family?: "ip" | "ip6";
      readonly address?: Expression;
      readonly port?: Expression;
    }
  | { readonly kind: "masquerade"; readonly port?: Expression }
  | { readonly kind: "redirect"; readonly port?: Expression }
  | { readonly kind: "mangle"; readonly key: Expression; readonly value: Expression }
  | {
      readonly kind: "log";
      readonly prefix?: string;
      readonly group?: number;
      /** syslog's word; absent means `warn`. */
      readonly level?: string;
    }
  | {
      readonly kind: "limit";
      readonly rate: number;
      readonly per: "second" | "minute" | "hour" | "day";
      readonly burst: number;
      /** Matches what exceeds the rate. */
      readonly over?: true;
    }
  | { readonly kind: "reject"; readonly type?: string; readonly code?: string }
  | {
      readonly kind: "set";
      readonly op: "add" | "update" | "delete";
      readonly set: string;
      readonly key: Expression;
      /** Seconds that the element stays. */
      readonly timeout?: number;
      /** The element counts the connections that come here, and the rule goes on where there are more (`ct count over`). */
      readonly over?: number;
    }
  /** What this reader does not know, as nft's JSON. Never printed: it only occurs in foreign tables. */
  | { readonly kind: "unknown"; readonly json: string };

export type Expression =
  | { readonly kind: "value"; readonly value: string | number }
  | { readonly kind: "meta"; readonly key: string }
  | { readonly kind: "ct"; readonly key: string; readonly direction?: "original" | "reply" }
  | { readonly kind: "payload"; readonly protocol: string; readonly field: string }
  /**
   * `@nh,48,16`: bits of the packet, counted from the beginning of a header; `ih` is what follows the transport header. Linux 6.1
   * takes no place beyond 255 bytes.
   */
  | {
      readonly kind: "raw";
      readonly base: "ll" | "nh" | "th" | "ih";
      readonly offset: number;
      readonly length: number;
    }
  /** Whether there is an option of TCP of that kind; compared with `exists` and `missing`. */
  | { readonly kind: "tcp option"; readonly option: number }
  | { readonly kind: "fib"; readonly result: string; readonly flags: readonly string[] }
  | { readonly kind: "concat"; readonly parts: readonly Expression[] }
  | { readonly kind: "prefix"; readonly address: string; readonly length: number }
  | { readonly kind: "range"; readonly first: string | number; readonly last: string | number }
  /** An anonymous set; for a map its elements carry data. */
  | { readonly kind: "elements"; readonly elements: readonly Element[] }
  /** `@name` */
  | { readonly kind: "reference"; readonly name: string }
  /** `established,related` */
  | { readonly kind: "flags"; readonly values: readonly string[] }
  | { readonly kind: "|" | "&" | "^"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "map"; readonly key: Expression; readonly data: Expression }
  | { readonly kind: "unknown"; readonly json: string };

/** The packet count of one element of a set with `counter`; the key as nft prints it. */
export interface ElementCount {
  readonly table: string;
  readonly set: string;
  readonly key: string;
  readonly packets: number;
}
