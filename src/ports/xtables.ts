/** The rules that iptables and ip6tables keep, for the tables that only they may change. */
export interface Xtables {
  /** Base chains of the `filter` table whose policy or rules may drop, or an empty list where iptables keeps nothing. */
  read(): Promise<readonly XtablesChain[]>;
  /** Puts `-m mark --mark BITS/BITS -j ACCEPT` with our comment at the head of each chain, and removes any other copy. */
  putPassRules(chains: readonly XtablesChain[], mark: number): Promise<void>;
  /** Removes every rule with our comment. */
  removePassRules(): Promise<void>;
}

export interface XtablesChain {
  readonly command: "iptables" | "ip6tables" | "iptables-legacy" | "ip6tables-legacy";
  readonly chain: "INPUT" | "FORWARD" | "OUTPUT";
  readonly policy: "ACCEPT" | "DROP";
  readonly mayDrop: boolean;
  /** Positions (from 1) of rules that bear our comment. */
  readonly passRules: readonly number[];
}
