import type { XtablesCommand } from "./xtables.ts";

/** A change of the host that can do no harm where its finding holds. */
export type MendingStep =
  /** A setting of the kernel, by its path below /proc/sys: now, and at every boot. */
  | { readonly kind: "setting"; readonly path: string; readonly value: string }
  /** One transaction. */
  | { readonly kind: "nft"; readonly script: string }
  /** For `iptables-restore --noflush`. */
  | { readonly kind: "iptables"; readonly command: XtablesCommand; readonly script: string }
  | { readonly kind: "port"; readonly tap: string; readonly bridge: string }
  | { readonly kind: "hook"; readonly driver: string };

export interface Mender {
  /** What was done, in words. Throws what the machine refused. */
  carryOut(step: MendingStep): Promise<string>;
}
